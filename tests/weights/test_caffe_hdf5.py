"""Caffe models in HDF5, against a file that h5py wrote with the settings of Caffe (``libver="earliest"``)."""

from pathlib import Path

import pytest
import torch

from colorzoo import create_model
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.registry import model_card
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import read_hparams, read_weights
from colorzoo.zoo.larsson2016.model import HypercolumnColorization
from pseudo_weights import pseudo_state_dict

FILE = Path(__file__).parent / "narrow.caffemodel.h5"  # of the released network, 1 / 128 as wide
SEED, WIDTH = 7, 1 / 128


def test_every_array_is_read_by_its_path() -> None:
    found = read_weights(FILE).state_dict
    assert len(found) == 46
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    for name, value in pseudo_state_dict(shapes, SEED).items():
        torch.testing.assert_close(found[name], torch.from_numpy(value), rtol=0, atol=0)
    assert read_hparams(FILE) == {}


def test_the_file_of_larsson_2016_is_converted(tmp_path: Path) -> None:
    card = model_card("larsson2016")
    made = convert_weights(FILE, card, tmp_path / "ours.safetensors", hparams={"width": WIDTH})
    model = create_model("larsson2016", made.path)
    assert model.trained
    weight = model.model.state_dict()["network.chroma.weight"]
    shape = tuple(weight.shape)
    wanted = pseudo_state_dict({"data/prediction_c/0": shape}, SEED)["data/prediction_c/0"]
    torch.testing.assert_close(weight, torch.from_numpy(wanted))
    with pytest.raises(WeightsError):  # of another width
        convert_weights(FILE, card, tmp_path / "wide.safetensors")
    assert not (tmp_path / "wide.safetensors").exists()


def test_another_networks_file_is_refused() -> None:
    model = build_model(HypercolumnColorization, {"width": WIDTH})
    state = {**read_weights(FILE).state_dict, "data/loss/0": torch.zeros(1)}
    with pytest.raises(WeightsError, match="data/loss/0"):
        model.load_published_state_dict(state)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    whole = FILE.read_bytes()
    path = tmp_path / "net.caffemodel.h5"
    for size in (8, 20, 100, 1000, 3000, len(whole) // 2, len(whole) - 1000):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match="truncated or no Caffe model in HDF5"):
            read_weights(path)
    path.write_bytes(whole[:8] + b"\x03" + whole[9:])
    with pytest.raises(WeightsError, match="version 3"):
        read_weights(path)
    tree = whole.index(b"TREE")
    path.write_bytes(whole.replace(b"SNOD", whole[tree : tree + 4]))
    with pytest.raises(WeightsError, match="truncated or no Caffe model in HDF5"):
        read_weights(path)
