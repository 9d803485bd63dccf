"""Compressed ONNX graphs of the static page."""

import gzip
import json
import shutil
import tarfile
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import colorzoo
from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models, model_card
from colorzoo.studio import static_page
from colorzoo.studio.protocol import Limits
from colorzoo.studio.static_page import StaticPage, compress_weights, page_models, write_page
from colorzoo.weights.files import sha256_of

SIDE = 256


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A matrix, a convolution and a tensor that half precision cannot hold, in a row."""
    draw = np.random.default_rng(0)
    weights = {
        "matrix": draw.normal(size=(SIDE, SIDE)) * np.geomspace(0.01, 10, SIDE),
        "kernel": draw.normal(size=(8, 1, 3, 3)),
        "wide": np.geomspace(1e-9, 1e5, 2 * SIDE).reshape(2, SIDE),
    }
    tensors = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()]
    nodes = [
        helper.make_node("Gemm", ["x", "matrix"], ["answer"]),
        helper.make_node("Add", ["x", "wide"], ["shifted"]),
        helper.make_node("Conv", ["picture", "kernel"], ["filtered"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in {
            "x": (2, SIDE),
            "picture": (1, 1, 8, 8),
            "answer": (2, SIDE),
            "shifted": (2, SIDE),
            "filtered": (1, 8, 6, 6),
        }.items()
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", values[:2], values[2:], tensors),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    path = tmp_path / "graph.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("name", "compares"), [("colorzoo2026", True), ("zhang2016_small", False)])
def test_a_model_that_compares_places_has_a_graph_for_it(
    name: str, compares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in ("graph_of", "likeness_graph_of"):
        monkeypatch.setattr(static_page, made, lambda *_: (b"", ("rgb", "logits")))
    graphs, facts = static_page.export_graphs(model_card(name))
    assert facts["distribution"]
    assert ("likeness_file" in facts) is compares
    assert graphs.keys() == {value for key, value in facts.items() if key.endswith("file")}


def test_a_compressed_graph_gives_the_same_results(graph: Path) -> None:
    small, outputs = compress_weights(graph)
    assert outputs == ("answer", "shifted", "filtered")
    assert len(small) < 0.35 * graph.stat().st_size
    draw = np.random.default_rng(1)
    given = {
        "x": draw.normal(size=(2, SIDE)).astype(np.float32),
        "picture": draw.normal(size=(1, 1, 8, 8)).astype(np.float32),
    }
    expected, found = (
        onnxruntime.InferenceSession(source).run(None, given) for source in (str(graph), small)
    )
    by_output = np.geomspace(0.01, 10, SIDE) * np.sqrt(SIDE)  # each has its own scale
    assert (np.abs(found[0] - expected[0]) / by_output).max() < 0.05
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_allclose(found[2], expected[2], atol=5e-3)


def test_kernels_of_8_bits_stay_so_and_lose_nothing(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    levels = draw.integers(-127, 128, size=(SIDE, 32, 3, 3))
    levels[:, 0, 0, 0] = 127  # the largest of each output
    scale = np.geomspace(1e-4, 1e-2, SIDE).reshape(-1, 1, 1, 1)
    kernels = {"exact": levels * scale, "rough": draw.normal(size=levels.shape)}
    shapes = {"maps": (1, 32, 4, 4), "of_exact": (1, SIDE, 2, 2), "of_rough": (1, SIDE, 2, 2)}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    nodes = [helper.make_node("Conv", ["maps", name], [f"of_{name}"]) for name in kernels]
    tensors = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in kernels.items()]
    opset = [helper.make_opsetid("", 18)]
    whole = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    path = tmp_path / "kernels.onnx"
    onnx.save(helper.make_model(whole, opset_imports=opset, ir_version=9), path)
    small, _ = compress_weights(path)
    kinds = {tensor.name: tensor.data_type for tensor in onnx.load_from_string(small).graph.initializer}
    assert kinds == {
        "exact.levels": TensorProto.INT8,
        "exact.scale": TensorProto.FLOAT,
        "rough.half": TensorProto.FLOAT16,
    }
    given = {"maps": draw.normal(size=shapes["maps"]).astype(np.float32)}
    expected, found = (
        onnxruntime.InferenceSession(source).run(["of_exact"], given)[0] for source in (str(path), small)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_tensors_of_a_wide_range_stay_in_float32(graph: Path) -> None:
    model = onnx.load_from_string(compress_weights(graph)[0])
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds == {
        "matrix.levels": TensorProto.INT8,
        "matrix.scale": TensorProto.FLOAT,
        "kernel.half": TensorProto.FLOAT16,
        "wide": TensorProto.FLOAT,
    }


def test_a_long_step_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_page, "TELL_EVERY", 0.01)
    told: list[str] = []
    seen = threading.Event()

    def log(line: str) -> None:
        told.append(line)
        if len(told) > 2:
            seen.set()

    with static_page.telling(log, "graph of a"):
        assert seen.wait(30)
    assert told[0] == "graph of a"
    assert told[1].startswith("graph of a: 0 s so far")


def test_a_page_without_its_script_says_what_it_needs() -> None:
    page = static_page.page_files()["index.html"].decode()
    body = page.split("<body")[1]
    assert "python -m http.server" in body
    assert 'data-worker="static/pad.worker.js"' in body


RUNTIME_FILES = [
    *(f"static/ort.{kind}.bundle.min.mjs" for kind in ("wasm", "jspi", "webgpu")),
    *(f"static/ort-wasm-simd-threaded{kind}.wasm.packed" for kind in ("", ".jspi", ".asyncify")),
]
RUNTIME = {
    "static/ort.wasm.bundle.min.mjs": b"run" * 9,
    "static/ort-wasm-simd-threaded.wasm.packed": bytes(100),
    "static/ort.webgpu.bundle.min.mjs": b"graphics",
}
FIRST = (
    *("index.html", "sw.js", "static/pad.js", "static/pad.css", "static/pad.worker.js", "static/icon.svg"),
    *("static/catalog.json", "colorzoo-page.json", "static/zhang2016_small.onnx.packed", *list(RUNTIME)[:2]),
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StaticPage]:
    """Return a function that writes a page with stand-ins of runtime and graphs."""

    def graphs(card: ModelCard) -> tuple[dict[str, bytes], dict[str, Any]]:
        file = f"{card.name}.onnx.packed"
        return {file: bytes(1000)}, {"file": file, "size": 224, "weights": "ab"}

    monkeypatch.setattr(static_page, "runtime_files", lambda: dict(RUNTIME))
    monkeypatch.setattr(static_page, "export_graphs", graphs)
    for name in ("old.png", "look.jpg"):
        Image.new("L", (20, 10), 99).save(tmp_path / name)

    def call(*photos: str, log: Callable[[str], None] = lambda _: None) -> StaticPage:
        cards = page_models(["zhang2016_small", "colorzoo2026"])
        return write_page(tmp_path / "page", cards, [tmp_path / name for name in photos], log)

    return call


def test_scripts_of_the_runtime_are_plain_and_its_binaries_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [Path(name).name.removesuffix(".packed") for name in RUNTIME_FILES]
    with tarfile.open(tmp_path / "runtime.tgz", "w:gz") as archive:
        for name in (*names, "ort.all.min.js"):
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(name)
            archive.addfile(entry, BytesIO(name.encode()))
    monkeypatch.setattr(static_page, "fetch", lambda *_: tmp_path / "runtime.tgz")
    content = static_page.runtime_files()
    assert sorted(content) == sorted(RUNTIME_FILES)
    for name, data in content.items():
        plain = gzip.decompress(data) if name.endswith(".packed") else data
        assert plain.decode() == Path(name).name.removesuffix(".packed")


def test_a_page_is_written_whole(write: Callable[..., StaticPage], tmp_path: Path) -> None:
    lines: list[str] = []
    page, folder = write("old.png", "look.jpg", log=lines.append), tmp_path / "page"
    assert lines == ["runtime: onnxruntime-web", "graph of zhang2016_small", "graph of colorzoo2026"]
    assert (page.folder, page.models) == (folder, ("zhang2016_small", "colorzoo2026"))
    files = {
        each.relative_to(folder).as_posix(): each.stat().st_size
        for each in folder.rglob("*")
        if each.is_file()
    }
    others = ("LICENSES.txt", "static/colorzoo2026.onnx.packed", "static/photo0.png", "static/photo1.jpg")
    assert files.keys() == {*FIRST, *others, *RUNTIME}
    assert page.total == sum(files.values())
    assert page.initial == sum(files[name] for name in FIRST)
    catalog = json.loads((folder / "static" / "catalog.json").read_bytes())
    assert catalog["photos"] == [
        {"upload": f"photo{number}{name[-4:]}", "name": name, "sha256": sha256_of(tmp_path / name)}
        for number, name in enumerate(("old.png", "look.jpg"))
    ]
    assert (catalog["version"], catalog["runtime"], catalog["network"], catalog["view"]) == (
        colorzoo.__version__, "1.30.0", 256, 1024
    )  # fmt: skip
    limits = Limits(full_pixels=50_000_000).to_dict() | {"points": 2048, "formats": ["png", "jpeg"]}
    assert catalog["limits"] == {name: value for name, value in limits.items() if name != "head"}
    first, second, *left = catalog["models"]
    assert [(each["name"], each["ready"], each["default"]) for each in (first, second)] == [
        ("zhang2016_small", True, True), ("colorzoo2026", True, False)
    ]  # fmt: skip
    assert (first["file"], first["size"], first["aliases"], first["detects"]) == (
        "zhang2016_small.onnx.packed", 224, list(model_card("zhang2016_small").aliases), False
    )  # fmt: skip
    embedded = {name for name in list_models() if any(w.file for w in model_card(name).weights.values())}
    assert {each["name"] for each in left} == embedded - set(page.models)
    assert not any(each["ready"] or each["default"] for each in left)
    reasons = {each["name"]: each["missing"] for each in left}
    assert reasons["xu2020_small"] == "left out when this page was made"
    assert reasons["cho2023_small"] == "its regions and lines are found by Python"
    assert [len(catalog[name]) for name in ("hull", "grid", "shown")] == [313, 529, 313]
    assert [catalog["grid"][index] for index in catalog["shown"]] == catalog["hull"]
    assert {len(each) for each in catalog["draws"]} == {32}
    worker = (folder / "sw.js").read_text()
    facts = json.loads(worker.partition("const PAGE = ")[2].partition(";\n")[0])
    names = ("catalog.json", "icon.svg", "pad.css", "pad.js", "pad.worker.js")
    assert facts["SHELL"] == ["./", *(f"static/{name}" for name in names)]
    assert facts["POLICY"] in (folder / "index.html").read_text()
    write("old.png")
    assert not (folder / "static" / "photo1.jpg").exists()  # of the page before
    again = json.loads((folder / "sw.js").read_text().partition("const PAGE = ")[2].partition(";\n")[0])
    assert (len(again["VERSION"]), again["VERSION"] == facts["VERSION"]) == (16, False)
    assert not list(tmp_path.glob(".page*"))


def test_a_folder_with_other_files_is_no_page(write: Callable[..., StaticPage], tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    assert write().models  # an empty one is
    (tmp_path / "page" / "colorzoo-page.json").unlink()
    with pytest.raises(ColorzooError, match=r"page holds other files; name an empty or a new folder"):
        write()
    shutil.rmtree(tmp_path / "page")
    (tmp_path / "page").touch()
    with pytest.raises(ColorzooError, match=r"page is a file; name a folder for the page"):
        write()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("levin2004", "it cannot be exported to ONNX"),
        ("cho2023_small", "its regions and lines are found by Python"),
        ("kim2021_small", "its scribbles cannot be given there"),
        ("zhang2016", "its weights do not ship with the package"),
    ],
)
def test_a_model_that_no_page_can_have_is_named(name: str, reason: str) -> None:
    with pytest.raises(ColorzooError, match=rf"{name} cannot be put into a page: {reason}\."):
        page_models([name])
    assert [card.name for card in page_models(None)][:2] == ["colorzoo2026", "zhang2016_small"]
