"""The static page: its files, its ONNX graph, and colorization in a browser."""

import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from browser_pad import SLOW
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio import static_page
from colorzoo.apps.studio.static_page import halve_weights, write_page
from colorzoo.errors import ColorzooError
from colorzoo.registry import model_card

MODEL = "zhang2017_local_small"
STATE = "body[data-state=ready]"
# The network colors an image red if its first pixel is darker than L = 50, otherwise blue. In the page, the
# function `finish` ends a run, and `fail` ends it with an error.
FAKE_RUNTIME = b"""
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { data, dims }); } }
const run = ({ lightness: { data } }) => new Promise((resolve, reject) => {
  const ab = data[0] < 50 ? [60, 40] : [20, -60];
  const colors = Float32Array.from({ length: 2 * data.length }, (_, i) => ab[Math.floor(i / data.length)]);
  window.finish = () => resolve({ ab: { data: colors } });
  window.fail = () => reject(new Error("no memory"));
});
const inputNames = ["lightness", "points_ab", "points_mask"];
export const InferenceSession = { create: async () => ({ inputNames, run }) };
"""


@pytest.mark.filterwarnings("error")
def test_halve_weights_keeps_the_results_of_the_graph(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    weights = {"matrix": draw.normal(size=(64, 64)), "wide": np.geomspace(1e-9, 1e5, 64)}
    weights["wide"][-1] = np.inf
    tensors = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()]
    nodes = [
        helper.make_node("MatMul", ["x", "matrix"], ["y"]),
        helper.make_node("Add", ["y", "wide"], ["z"]),
    ]
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 64)) for name in "xz")
    graph = helper.make_graph(nodes, "g", [x], [z], tensors)
    path = tmp_path / "graph.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    small = halve_weights(path)
    kinds = {tensor.name: tensor.data_type for tensor in onnx.load_from_string(small).graph.initializer}
    assert kinds == {"matrix.half": TensorProto.FLOAT16, "wide": TensorProto.FLOAT}
    given = {"x": draw.normal(size=(1, 64)).astype(np.float32)}
    expected, found = (onnxruntime.InferenceSession(each).run(None, given)[0] for each in (str(path), small))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.02)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for a page, and replace runtime and graph with fake files."""
    monkeypatch.setattr(static_page, "_runtime_files", lambda: {"runtime/ort.mjs": b"run"})
    monkeypatch.setattr(static_page, "_export_graph", lambda _: (b"graph", 256))
    return tmp_path / "page"


def test_write_page_replaces_an_older_page_completely(
    folder: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = write_page(folder, model_card(MODEL), [photo, photo])
    assert f"converting {MODEL} to ONNX" in capsys.readouterr().err  # the slowest step
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert size == sum(path.stat().st_size for path in written.values())
    assert {"index.html", "page/page.js", "js/color.js", "runtime/ort.mjs", "photos/1.png"} <= written.keys()
    settings = json.loads(written["page.json"].read_text())
    assert (settings["size"], settings["photos"][0]) == (256, {"file": "photos/0.png", "name": photo.name})
    write_page(folder, model_card(MODEL), [photo])
    assert not (folder / "photos" / "1.png").exists()
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".page")] == []


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below a folder by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


STRANGERS = {  # content of a page.json that colorzoo did not write
    "site": '{"title": "My photos", "files": ["thesis.txt"]}',
    "list": '["index.html"]',
    "text": "not JSON",
    "unlisted": '{"generator": "colorzoo studio --static"}',
}


@pytest.mark.parametrize("name", [None, *STRANGERS])
def test_write_page_rejects_folders_with_other_files(folder: Path, name: str | None) -> None:
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / "thesis.txt").touch()
    if name is not None:
        (folder / "page.json").write_text(STRANGERS[name])
    before = contents(folder)
    with pytest.raises(ColorzooError, match="--static"):
        write_page(folder, model_card(MODEL), [])
    assert contents(folder) == before
    with pytest.raises(ColorzooError, match="--static"):
        write_page(folder / "thesis.txt", model_card(MODEL), [])


def test_write_page_keeps_files_of_others_beside_an_older_page(folder: Path, photo: Path) -> None:
    write_page(folder, model_card(MODEL), [photo, photo, photo])
    others = {".git/HEAD": b"ref", "CNAME": b"example.org", "photos/family.jpg": b"x", "photos/2.png": b"new"}
    for name, content in others.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    outside = folder.parent / "outside.txt"
    outside.write_text("kept")
    settings = json.loads((folder / "page.json").read_text())
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()
    settings["files"] += [["../outside.txt", digest], [str(outside), digest]]
    (folder / "page.json").write_text(json.dumps(settings))
    write_page(folder, model_card(MODEL), [photo])
    after = contents(folder)
    assert others.items() <= after.items()
    assert "photos/1.png" not in after
    assert outside.exists()
    written = {name for name, _ in json.loads(after["page.json"])["files"]}
    assert after.keys() == written | others.keys() | {"page.json"}


def test_write_page_changes_nothing_if_a_file_of_the_page_was_edited(folder: Path, photo: Path) -> None:
    write_page(folder, model_card(MODEL), [])
    (folder / "index.html").write_text("<title>My page</title>")
    (folder / "photos").mkdir()
    before = contents(folder)
    with pytest.raises(ColorzooError, match=r"index\.html"):
        write_page(folder, model_card(MODEL), [photo])
    assert contents(folder) == before


def test_write_page_does_not_replace_or_delete_its_inputs(folder: Path, photo: Path) -> None:
    other = folder.parent / "other.png"
    Image.new("L", (8, 8)).save(other)
    write_page(folder, model_card(MODEL), [photo, other])
    before = contents(folder)
    first, second = folder / "photos" / "0.png", folder / "photos" / "1.png"
    for images in ([second], [second, first]):
        with pytest.raises(ColorzooError, match="photos"):
            write_page(folder, model_card(MODEL), images)
        assert contents(folder) == before
    write_page(folder, model_card(MODEL), [first, second])  # the same content
    assert {name: before[name] for name in ("photos/0.png", "photos/1.png")}.items() <= contents(
        folder
    ).items()


@pytest.mark.parametrize("pages", [0, 1])
def test_write_page_leaves_the_folder_as_it_was_if_the_disk_is_full(
    folder: Path, tmp_path: Path, pages: int
) -> None:
    resource = pytest.importorskip("resource")
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("L", (8, 8)).save(small)
    levels = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)
    Image.fromarray(levels).save(large)
    if pages:
        write_page(folder, model_card(MODEL), [small])
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # larger files raise OSError
    try:
        with pytest.raises(ColorzooError, match="cannot be written"):
            write_page(folder, model_card(MODEL), [large])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    assert folder.exists() == bool(pages)
    after.pop("page/page.json", None)  # lists the new files, too
    assert after.items() <= before.items()
    write_page(folder, model_card(MODEL), [large])


def test_a_page_can_be_replaced_after_its_process_was_killed(folder: Path, photo: Path) -> None:
    """Kill a process after it has written two of three files, and write the page again."""
    write_page(folder, model_card(MODEL), [photo])
    script = (
        "import os, sys; from pathlib import Path\n"
        "from colorzoo.apps.studio import static_page\n"
        "from colorzoo.registry import model_card\n"
        "replace, count = Path.replace, [0]\n"
        "def dying(self, target):\n"
        "    replace(self, target)\n"
        "    count[0] += 1\n"
        "    count[0] < 4 or os._exit(9)\n"
        "Path.replace = dying\n"
        "static_page._runtime_files = lambda: {'runtime/new.mjs': b'new'}\n"
        "static_page._export_graph = lambda _: (b'other graph', 256)\n"
        f"static_page.write_page(Path({str(folder)!r}), model_card({MODEL!r}), [])\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    write_page(folder, model_card(MODEL), [photo])
    after = contents(folder)
    written = {name for name, _ in json.loads(after["page.json"])["files"]}
    assert {name for name in after if ".colorzoo-" not in name} == written | {"page.json"}


def test_write_page_rejects_unsupported_models(folder: Path) -> None:
    for name in ["levin2004", "cho2023_small", "zhang2016"]:
        with pytest.raises(ColorzooError, match=f"--model {name}"):
            write_page(folder, model_card(name), [])


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.nightly
@pytest.mark.browser
@pytest.mark.timeout(900)
def test_static_page_colorizes_an_image_with_points(browser: Any, photo: Path, tmp_path: Path) -> None:
    """Compare the automatic colors with Python, add a point, undo it, and download."""
    assert main(["studio", str(photo), "--static", str(tmp_path / "page"), "--model", MODEL]) == 0
    with serving(tmp_path / "page") as url:
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.set_default_timeout(5 * SLOW)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        page.wait_for_selector(STATE)

        def download() -> np.ndarray:
            with page.expect_download() as waiting:
                page.click("#download")
            assert waiting.value.suggested_filename == "Größe & Licht.color.png"
            waiting.value.save_as(tmp_path / "colored.png")
            with Image.open(tmp_path / "colored.png") as image:
                return np.asarray(image.convert("RGB")).astype(int)

        automatic = download()
        expected = np.asarray(colorzoo.colorize(photo, model=MODEL)).astype(int)
        assert np.abs(automatic - expected).mean() < 2

        page.fill("#color", "#c03020")
        page.click("#image", position={"x": 100, "y": 70})
        page.wait_for_selector(f"{STATE} canvas[aria-label$='1 points']")
        pointed = download()
        red = pointed[70, 100]
        assert red[0] > red[2] + 60
        page.fill("#strength", "0")
        gray = download()
        assert np.ptp(gray, axis=2).max() <= 3
        page.click("#undo")
        assert np.array_equal(download(), pointed)
        page.click("#undo")
        page.wait_for_selector(f"{STATE} canvas[aria-label$='0 points']")
        assert np.array_equal(download(), automatic)
        assert problems == []
        page.close()


@pytest.fixture
def fake_page(folder: Path, browser: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Open a page with a fake network and the photos dark.png and light.png, which the tests can choose."""
    for name, level in (("dark", 60), ("light", 180)):
        Image.new("L", (40, 30), level).save(tmp_path / f"{name}.png")
    files = {f"runtime/{static_page._RUNTIME}": FAKE_RUNTIME, f"runtime/{static_page._WASM}.gz": b"wasm"}
    monkeypatch.setattr(static_page, "_runtime_files", lambda: files)
    write_page(folder, model_card(MODEL), [tmp_path / "dark.png"])
    with serving(folder) as url:
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.set_default_timeout(SLOW)
        page.goto(url)
        yield page
        page.close()


def finish_run(page: Any, how: str = "finish") -> None:
    """End the current run of the fake network by the function ``finish`` or ``fail``."""
    page.wait_for_function("'finish' in window")
    page.evaluate(f"() => {{ const {{ {how}: end }} = window; delete window.finish; end(); }}")


def center_color(page: Any) -> list[int]:
    """Return the RGB in the center of the image."""
    script = "() => [...image.getContext('2d').getImageData(20, 15, 1, 1).data.slice(0, 3)]"
    color: list[int] = page.evaluate(script)
    return color


@pytest.mark.nightly
@pytest.mark.browser
def test_static_page_shows_no_colors_of_an_earlier_photo(fake_page: Any, tmp_path: Path) -> None:
    finish_run(fake_page)
    fake_page.wait_for_selector(STATE)
    red, _, blue = center_color(fake_page)
    assert red > blue
    fake_page.set_input_files("#file", tmp_path / "light.png")
    fake_page.wait_for_function("'finish' in window")  # the network colors the new photo
    fake_page.fill("#strength", "0.9")
    fake_page.dispatch_event("#strength", "change")
    assert fake_page.is_disabled("#download")
    assert fake_page.get_attribute("body", "data-state") == "computing"
    finish_run(fake_page)
    fake_page.wait_for_selector(STATE)
    red, _, blue = center_color(fake_page)
    assert red < blue
    assert fake_page.input_value("#strength") == "0.9"
    assert fake_page.is_enabled("#download")


@pytest.mark.nightly
@pytest.mark.browser
def test_static_page_keeps_the_image_of_the_user(fake_page: Any, tmp_path: Path) -> None:
    """Choose an image while the example image is downloaded."""
    finish_run(fake_page)
    fake_page.wait_for_selector(STATE)
    held: list[Any] = []
    fake_page.route("**/photos/*", lambda route: held.append(route))
    with fake_page.expect_request("**/photos/*"):
        fake_page.reload()
    fake_page.set_input_files("#file", tmp_path / "light.png")
    finish_run(fake_page)
    fake_page.wait_for_selector(STATE)
    for route in held:
        route.continue_()
    fake_page.wait_for_timeout(500)
    assert len(held) == 1
    assert "light.png" in fake_page.get_attribute("#image", "aria-label")
    assert fake_page.get_attribute("body", "data-state") == "ready"


@pytest.mark.nightly
@pytest.mark.browser
def test_static_page_colorizes_after_an_error(fake_page: Any) -> None:
    finish_run(fake_page)
    fake_page.wait_for_selector(STATE)
    fake_page.click("#image")
    finish_run(fake_page, "fail")
    fake_page.wait_for_selector("body[data-state=failed]")
    assert fake_page.inner_text("#status") == "no memory"
    fake_page.click("#image")
    finish_run(fake_page)
    fake_page.wait_for_selector(f"{STATE} canvas[aria-label$='2 points']")
