"""The paper of a third party, really installed, is found by its entry point and passes the contract."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from colorzoo.cli.main import main
from colorzoo.registry import list_models, refresh
from colorzoo.testing import write_sample_images
from throwaway_paper import write_paper

SOURCE = Path(importlib.util.find_spec("colorzoo").submodule_search_locations[0]).parent

# The five lines that the documentation of colorzoo.testing shows.


def build_wheel(folder: Path) -> Path:
    """Write a wheel by hand, so that installing it needs neither a build backend nor a network."""
    write_paper(folder / "dummy_paper", "dummy_paper", "dummy2031")
    wheel, info = folder / "dummy_paper-1.0-py3-none-any.whl", "dummy_paper-1.0.dist-info"
    metadata = {
        "METADATA": "Metadata-Version: 2.1\nName: dummy-paper\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "[colorzoo.models]\ndummy = dummy_paper.card:CARDS\n",
    }
    with ZipFile(wheel, "w") as archive:
        for path in sorted((folder / "dummy_paper").iterdir()):
            archive.write(path, f"dummy_paper/{path.name}")
        for name, text in metadata.items():
            archive.writestr(f"{info}/{name}", text)
        record = "".join(f"{name},,\n" for name in [*archive.namelist(), f"{info}/RECORD"])
        archive.writestr(f"{info}/RECORD", record)
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which pip has installed the package."""
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("plugin")
    target = folder / "site"
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet", "--disable-pip-version-check"]
    wheel = build_wheel(folder / "build")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(wheel)]
    subprocess.run(command, check=True)
    return target


def run_python(installed: Path, *arguments: str) -> str:
    """Run Python with the package on its path and return what it printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), str(SOURCE)])}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        cwd=installed,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_installed_package_is_found_without_importing_torch(installed: Path) -> None:
    code = """
import sys
from colorzoo.registry import list_models, model_card
print("dummy2031" in list_models(guidance="points"), model_card("dummy2031_alias").year)
print("torch" in sys.modules)
"""
    assert run_python(installed, "-c", code).split() == ["True", "2030", "False"]


@pytest.mark.nightly
def test_the_wheel_of_a_new_paper_trains_and_colors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("build", "hatchling", "pip"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031"]) == 0
    quiet = ["--quiet", "--disable-pip-version-check"]
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "smith2031"]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert "Requires-Dist: colorzoo" in ZipFile(wheel).read("smith2031-1.0.dist-info/METADATA").decode()
    site = tmp_path / "site"
    options = ["--no-deps", "--no-index", *quiet, "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)

    write_sample_images(site / "album", count=8)
    small = ["--data.batch_size=2", "--data.crop=32", "--data.val_size=32", "--trainer.max_steps=2"]
    fit = ["fit", "--config", "smith2031/tiny.yaml", "--data.root=album", *small]
    photo = next((site / "album").rglob("*.png"))
    colorize = ["colorize", str(photo), "--model", "smith2031"]
    monkeypatch.chdir(site)
    monkeypatch.syspath_prepend(site)
    refresh()
    try:
        assert main([*fit, "--trainer.accelerator=cpu"]) == 0
        (checkpoint,) = site.rglob("last.ckpt")
        assert main([*colorize, "--weights", str(checkpoint), "-o", "trained.png"]) == 0
        assert main([*colorize, "--allow-untrained", "-o", "random.png"]) == 0
    finally:
        monkeypatch.undo()
        refresh()
    assert (site / "trained.png").is_file()
    assert (site / "random.png").is_file()


CARD = """
from colorzoo.card import ModelCard
fixed = dict(title="", paper="", year=2031, summary="", task="t:T", parameters=0)
CARDS = [ModelCard(name="sound2031", **fixed), ModelCard(name="other2031", aliases={aliases}, **fixed)]
"""


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_module_2031", "ModuleNotFoundError: No module named 'no_such_module_2031'"),
        ("CARDS = 3", "TypeError: 'int' object is not iterable"),
        ("CARDS = ['toy']", "TypeError"),
        (CARD.format(aliases=("ddcolor",)), "ValueError: two models have the name 'ddcolor'"),
        (CARD.format(aliases=()), ""),
    ],
    ids=["import", "number", "name", "alias", "sound"],
)
def test_a_broken_package_is_named_and_stops_nothing(
    module: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    info = tmp_path / "broken_paper-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-paper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[colorzoo.models]\nbroken = broken_card_2031:CARDS\n")
    (tmp_path / "broken_card_2031.py").write_text(module)
    before = list_models()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_card_2031", raising=False)
    refresh()
    try:
        assert main(["models"]) == 0
        said = capsys.readouterr().err.splitlines()
        if not reason:
            assert (said, set(list_models()) - set(before)) == ([], {"sound2031", "other2031"})
            return
        (line,) = said
        assert "package broken-paper" in line
        assert reason in line
        assert list_models() == before
        assert main(["doctor"]) == 1
        problem = f"package broken-paper: {reason}"
        assert problem in capsys.readouterr().out
        refresh()
        main(["fit", "nothing"])
        assert line in capsys.readouterr().err.splitlines()
    finally:
        monkeypatch.undo()
        refresh()
