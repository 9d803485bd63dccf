"""The wheel works without the repository; wheel and sdist come from one build."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import colorzoo
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.weights.catalog import list_weights
from tiny_model import gray_image

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]

REPOSITORY = Path(__file__).parent.parent
LARGEST = 40e6  # bytes, mostly embedded weights
LARGEST_UPLOAD = 100e6  # bytes, the limit of PyPI for each file

# Importing colorzoo and every public name must not resolve an address or connect.
NO_NETWORK = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(refuse)
import colorzoo
for name in colorzoo.__all__:
    getattr(colorzoo, name)
print(colorzoo.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return wheel and sdist; the wheel is built from the sdist."""
    for package in ("build", "hatchling", "pip"):
        if find_spec(package) is None:
            pytest.skip(f"missing, not passed: {package}; python -m pip install {package}")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with only the installed wheel; this environment provides its dependencies."""
    target = tmp_path_factory.mktemp("bare") / "site"
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(built[0])], check=True)
    return target


@pytest.fixture
def environment(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    home = {"COLORZOO_HOME": str(tmp_path / "home"), "COLORZOO_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **home, "PYTHONPATH": str(installed)}


def run(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-P", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_distribution_names_contain_version_and_wheel_size_is_limited(built: tuple[Path, Path]) -> None:
    version = colorzoo.__version__
    names = [f"colorzoo-{version}-py3-none-any.whl", f"colorzoo-{version}.tar.gz"]
    assert [path.name for path in built] == names
    assert built[0].stat().st_size < LARGEST
    with ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    assert "colorzoo/configs/zhang2017/local_small.yaml" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_sdist_contains_all_folders_of_the_repository_and_can_be_uploaded(built: tuple[Path, Path]) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("missing, not passed: git; the files of the repository are unknown")
    with tarfile.open(built[1]) as sdist:
        included = {name.split("/")[1] for name in sdist.getnames()}
    assert {name.split("/")[0] for name in listed.stdout.splitlines()} <= included
    assert built[1].stat().st_size < LARGEST_UPLOAD


def test_wheel_contains_a_bill_of_materials_with_the_hashes_of_its_weights(built: tuple[Path, Path]) -> None:
    with ZipFile(built[0]) as wheel:
        (name,) = (each for each in wheel.namelist() if ".dist-info/sboms/" in each)
        bill = json.loads(wheel.read(name))
        hashes = {
            each["bom-ref"]: each["hashes"][0]["content"] for each in bill["components"] if "hashes" in each
        }
        for file, digest in hashes.items():
            assert hashlib.sha256(wheel.read(file)).hexdigest() == digest
        weights = {each for each in wheel.namelist() if each.endswith(".safetensors")}
        tables = {each for each in wheel.namelist() if each.startswith("colorzoo/color/tables/")}
    assert weights | {each for each in tables if each.endswith(".npy")} <= set(hashes)
    assert {"pkg:pypi/torch", "pkg:pypi/timm"} <= {each["bom-ref"] for each in bill["components"]}
    assert bill["metadata"]["component"]["version"] == colorzoo.__version__
    components = {each["bom-ref"]: each for each in bill["components"]}
    assert all("version" in each for each in components.values() if each["type"] == "library")
    assert components["pkg:pypi/torch"]["purl"] == f"pkg:pypi/torch@{components['pkg:pypi/torch']['version']}"
    listed = {file.path.name: file.data_license for file in list_weights() if file.weights.file is not None}
    models = [each for each in components.values() if each["type"] == "machine-learning-model"]
    assert len(models) > len(listed) > 10
    for each in models:
        (training,) = each["modelCard"]["modelParameters"]["datasets"]
        (terms,) = components[training["ref"]]["licenses"]
        assert terms["license"]["name"] == listed.get(each["name"], terms["license"]["name"])
        assert "NOTICE" in terms["license"]["name"]


def test_wheel_imports_and_lists_models_without_network(installed: Path, environment: dict[str, str]) -> None:
    assert Path(run(environment, "-c", NO_NETWORK).strip()).is_relative_to(installed)
    names = [card["name"] for card in json.loads(run(environment, "-m", "colorzoo", "models", "--json"))]
    assert names == colorzoo.list_models()


def test_wheel_colorizes_an_image(environment: dict[str, str], tmp_path: Path) -> None:
    Image.fromarray(gray_image(160, 200)).save("old.jpg")
    run(environment, "-m", "colorzoo", "colorize", "old.jpg")
    colored = np.asarray(Image.open("old.color.jpg"), dtype=float)
    assert colored.shape == (160, 200, 3)
    assert np.ptp(colored, axis=2).max() > 10


def test_wheel_serves_the_studio_page(environment: dict[str, str], tmp_path: Path) -> None:
    Image.fromarray(gray_image(40, 50)).save("old.jpg")
    words = ["-m", "colorzoo", "studio", "old.jpg", "--no-browser", "--port", "0"]
    command = [sys.executable, "-P", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert address
        with urllib.request.urlopen(address[0], timeout=60) as page:
            script = re.search(r'src="([^"]+\.js)"', page.read().decode())
        assert script
        with urllib.request.urlopen(urllib.parse.urljoin(address[0], script[1]), timeout=60) as module:
            assert module.status == 200
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(120) == 0
        finally:
            process.kill()  # `Popen` waits for the process at the end of the block


def test_wheel_trains_from_an_included_configuration(environment: dict[str, str], tmp_path: Path) -> None:
    for index in range(12):
        image = np.random.default_rng(index).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC).save(f"{index}.png")
    small = ["--data.batch_size=2", "--data.crop=32", "--data.resize=40", "--data.val_size=32"]
    small += ["--data.val_fraction=0.5", "--trainer.precision=32"]
    words = ["fit", "--config", "zhang2017/local_small.yaml", "--data.root", ".", *small]
    run(environment, "-m", "colorzoo", *words, "--trainer.max_steps=2", "--trainer.val_check_interval=2")
    assert list(tmp_path.rglob("last.ckpt"))


def write_graph(path: Path, output: str, gains: list[float]) -> None:
    """Write a graph whose output is the lightness times a constant for each channel."""
    onnx = pytest.importorskip("onnx")
    value, floats = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    sizes = ["B", 1, "H", "W"]
    inputs = [value("lightness", floats, sizes), value("points_ab", floats, ["B", 2, "H", "W"])]
    inputs.append(value("statistics_saturation", floats, ["B", 1]))  # -1 if it is missing
    factors = onnx.helper.make_tensor("gains", floats, [1, len(gains), 1, 1], gains)
    nodes = [
        onnx.helper.make_node("Mul", ["lightness", "gains"], ["colors"]),
        onnx.helper.make_node("ReduceSum", ["points_ab"], ["points"], keepdims=1),
        onnx.helper.make_node("ReduceMin", ["statistics_saturation"], ["saturation"], keepdims=0),
        onnx.helper.make_node("Neg", ["saturation"], ["is_missing"]),
        onnx.helper.make_node("Mul", ["colors", "is_missing"], ["unsaturated"]),
        onnx.helper.make_node("Sum", ["unsaturated", "points"], [output]),
    ]
    outputs = [value(output, floats, ["B", len(gains), "H", "W"])]
    graph = onnx.helper.make_graph(nodes, "test", inputs, outputs, [factors])
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def test_sample_programs_run_a_graph_and_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `contrib/onnx/try.sh`, a step of the release workflow, which skips programs without a compiler."""
    pytest.importorskip("onnxruntime")
    programs = REPOSITORY / "contrib" / "onnx"
    for program in programs.glob("colorize.*"):
        shutil.copy(program, tmp_path)
    write_graph(tmp_path / "colorzoo2026.onnx", "ab", [0.3, -0.2])
    write_graph(tmp_path / "colorzoo2026_drawing.onnx", "rgb", [0.9, 0.5, 0.2])
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in tmp_path.iterdir()]
    (tmp_path / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    monkeypatch.delenv("CI", raising=False)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(programs / "try.sh"), str(tmp_path)]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"photo: \d programs agree", done.stdout)

    # the Python program equals the conversion of the library
    Image.fromarray(gray_image(60, 80)).save(tmp_path / "old.png")
    words = ["colorize.py", "colorzoo2026.onnx", "old.png", "new.png"]
    subprocess.run([sys.executable, *words], cwd=tmp_path, check=True)
    rgb = torch.from_numpy(np.asarray(Image.open(tmp_path / "old.png").convert("RGB")).copy())
    lightness = rgb_to_lab(rgb.permute(2, 0, 1)[None] / 255)[:, :1]
    lab = torch.cat([lightness, 0.3 * lightness, -0.2 * lightness], dim=1)
    expected = (255 * lab_to_rgb(lab)[0].clamp(0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(np.asarray(Image.open(tmp_path / "new.png"), dtype=float) - expected).max() < 1.5


def test_run_steps_of_the_release_workflow_name_files_that_exist() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    text = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    files = set(re.findall(r"contrib/[\w./-]+", text))
    assert files == {"contrib/onnx/export.sh", "contrib/onnx/try.sh", "contrib/docker/Containerfile"}
    assert all((REPOSITORY / name).is_file() for name in files)
    for script in files - {"contrib/docker/Containerfile"}:
        subprocess.run(["bash", "-n", str(REPOSITORY / script)], check=True)
