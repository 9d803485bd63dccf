"""Compressed ONNX graphs of the static page."""

import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from colorzoo.registry import model_card
from colorzoo.studio import static_page
from colorzoo.studio.static_page import compress_weights

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
