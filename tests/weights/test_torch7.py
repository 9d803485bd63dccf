"""Reading and conversion of Torch7 files, including damaged files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch7_files import Function, T7Object, Writer, graph, iizuka_network, layer, sequence

from colorzoo import create_model
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.registry import model_card
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import read_weights
from colorzoo.zoo.iizuka2016.model import LetThereBeColor

TINY = {"width": 0.125, "scene_side": 32}


def write_torch7(folder: Path, content: object) -> Path:
    path = folder / "net.t7"
    path.write_bytes(Writer().write(content))
    return path


def test_read_weights_names_torch7_tensors_by_forward_pass_order(tmp_path: Path) -> None:
    wide = np.arange(24.0).reshape(4, 6)
    first, second = layer(wide[1:3, ::2], np.ones(2)), layer(np.ones((1, 2), np.float32), np.zeros(1))
    network = graph(None, sequence(first, T7Object("nn.ReLU"), second), sequence(first))
    path = write_torch7(tmp_path, {"mean": 0.25, "model": network, "f": Function(), "n": None})
    found = read_weights(path).state_dict
    assert list(found) == ["mean", *(f"model.2.{at}.{part}" for at in (1, 3) for part in ("weight", "bias"))]
    torch.testing.assert_close(found["model.2.1.weight"], torch.from_numpy(wide[1:3, ::2].copy()))
    assert float(found["mean"]) == 0.25
    assert read_weights(path).hparams == {}


def test_read_weights_rejects_damaged_or_empty_torch7_files(tmp_path: Path) -> None:
    whole = Writer().write({"model": sequence(layer(np.ones((2, 3)), np.ones(2)))})
    path = tmp_path / "net.t7"
    for size in range(8, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match="truncated or not a Torch7 file"):
            read_weights(path)
    with pytest.raises(WeightsError, match="no network with weights"):
        read_weights(write_torch7(tmp_path, {"model": {}}))
    outside = whole.replace(np.array([2, 3, 3, 1], "<i8").tobytes(), np.array([2, 3, 4, 1], "<i8").tobytes())
    path.write_bytes(outside)
    with pytest.raises(WeightsError, match="exceeds its storage"):
        read_weights(path)


@pytest.fixture
def model() -> LetThereBeColor:
    torch.manual_seed(3)
    return build_model(LetThereBeColor, TINY).eval()


def arrays(model: LetThereBeColor) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.network.state_dict().items()}


def test_convert_weights_reads_the_iizuka2016_torch7_file(tmp_path: Path, model: LetThereBeColor) -> None:
    path = tmp_path / "colornet.t7"
    path.write_bytes(iizuka_network(arrays(model), mean=0.375))
    convert_weights(path, model_card("iizuka2016"), tmp_path / "ours.safetensors", hparams=TINY)
    loaded = create_model("iizuka2016", tmp_path / "ours.safetensors")
    lightness = 100 * torch.rand(1, 1, 32, 40)
    model.network.mean.fill_(0.375)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(lightness).ab, model(lightness).ab)
    assert loaded.trained
