"""Conversion of the authors' files and of checkpoints to safetensors with their settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caffe_files import field, global_hints_layers, layer, local_hints_layers, net, varint
from PIL import Image

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.files import sha256_of
from colorzoo.guidance import Guidance
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.testing.persistence import save_checkpoint
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.weights import read_weights
from colorzoo.weights.catalog import EMBEDDED_FOLDER, weight_file
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.readers.caffe import is_caffe, read_caffe
from narrow_weights import narrow_weights
from pseudo_weights import pseudo_state_dict
from tiny_model import HPARAMS, NAME, Refused, gray_image, tiny_model

MODEL = "zhang2017_local"
SETTINGS = ("--set", "width=0.125")
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def authors() -> dict[str, np.ndarray]:
    return narrow_weights(MODEL, "siggraph17_local_64")


def as_tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def reference(authors: dict[str, np.ndarray], name: str = MODEL, **hparams: Any) -> torch.nn.Module:
    model = build_model(load_task_class(model_card(name)), {"width": 0.125, **hparams})
    model.load_weights(as_tensors(authors), name="the authors' weights", published=True)
    return model.eval()


@torch.inference_mode()
def predict(model: torch.nn.Module) -> torch.Tensor:
    size = (40, 48)
    guidance: Guidance = sample_guidance(["points", "statistics"], size, batch=2)
    ab: torch.Tensor = model(sample_input("gray", size, batch=2), guidance).ab
    return ab


def convert(source: Path, out: Path, *more: str, name: str = MODEL) -> int:
    return main(["weights", "convert", name, str(source), str(out), *SETTINGS, *more])


def test_weights_convert_writes_pytorch_weights_with_metadata(authors, tmp_path: Path, capsys) -> None:
    source, out = tmp_path / "authors.pth", tmp_path / "ours.safetensors"
    torch.save(as_tensors(authors), source)
    assert convert(source, out, "--set", "mask_center=0.5") == 0
    output = capsys.readouterr().out
    assert f"sha256={sha256_of(out)} size={out.stat().st_size}" in output
    metadata = read_weights(out).stored
    assert (metadata["model"], metadata["source"]) == (MODEL, "authors.pth")
    assert metadata["source_sha256"] == sha256_of(source)
    assert "L in [0, 100]" in metadata["conventions"]
    assert metadata["hparams"] == json.dumps(
        read_weights(out).hparams, sort_keys=True
    )  # deterministic output
    model = colorzoo.create_model(MODEL, out)  # width and mask_center come from the file
    assert model.model.network.mask_center == 0.5
    torch.testing.assert_close(predict(model), predict(reference(authors, mask_center=0.5)), atol=0, rtol=0)


def test_file_of_another_model_is_named(tmp_path: Path) -> None:
    source = weight_file(model_card("zhang2017_local_small"), "default").path
    with pytest.raises(WeightsError, match="belongs to zhang2017_local_small"):
        convert_weights(source, model_card("colorzoo2026"), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(("blob", "expected"), [([110.0], 110.0), ([95.0, 95.0], 95.0), (None, 100.0)])
def test_converted_caffe_file_matches_pytorch_predictions(authors, tmp_path: Path, blob, expected) -> None:
    layers = local_hints_layers(authors) | ({} if blob is None else {"pred_ab": [np.array(blob)]})
    (tmp_path / "model.caffemodel").write_bytes(net(layers))
    assert convert(tmp_path / "model.caffemodel", tmp_path / "out.safetensors") == 0
    hparams = read_weights(tmp_path / "out.safetensors").hparams
    assert (hparams["width"], hparams["mask_center"], hparams["ab_scale"]) == (0.125, 0.0, expected)
    model = colorzoo.create_model(MODEL, tmp_path / "out.safetensors")
    truth = predict(reference(without_affine(authors), ab_scale=expected))
    assert truth.std() > 5
    torch.testing.assert_close(predict(model), truth, atol=2e-3, rtol=1e-4)
    assert not model(sample_input("gray", (8, 8))).extras["logits"].any(), "must be uniform without a head"


def test_converted_global_hints_caffe_file_matches_pytorch_predictions(tmp_path: Path) -> None:
    authors = narrow_weights("zhang2017_global", "siggraph17_global_64")
    (tmp_path / "global.caffemodel").write_bytes(net(global_hints_layers(authors)))
    out = tmp_path / "out.safetensors"
    assert convert(tmp_path / "global.caffemodel", out, name="zhang2017_global") == 0
    assert {"width": 0.125, "ab_scale": 100.0, "trunk": None}.items() <= read_weights(out).hparams.items()
    truth = predict(reference(without_affine(authors), "zhang2017_global", ab_scale=100.0))
    assert truth.std() > 5
    torch.testing.assert_close(
        predict(colorzoo.create_model("zhang2017_global", out)), truth, atol=2e-3, rtol=1e-4
    )


def without_affine(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Reset batch-norm weights and biases to 1 and 0, because Caffe stores none."""
    plain = dict(state)
    for norm in {key.removesuffix(".running_var") for key in state if key.endswith(".running_var")}:
        plain[f"{norm}.weight"] = np.ones_like(state[f"{norm}.weight"])
        plain[f"{norm}.bias"] = np.zeros_like(state[f"{norm}.bias"])
    return plain


@pytest.mark.parametrize("style", ["packed", "single"])
def test_read_caffe_reads_packed_and_unpacked_blobs(tmp_path: Path, style: str) -> None:
    weight, bias = np.arange(36.0).reshape(2, 2, 3, 3) - 300.5, np.array([-1.5, 2.5])
    (tmp_path / "a.caffemodel").write_bytes(net({"conv": [weight, bias]}, style=style))
    assert is_caffe(tmp_path / "a.caffemodel")
    layers = read_caffe(tmp_path / "a.caffemodel")
    np.testing.assert_array_equal(layers["conv"][0], weight)
    np.testing.assert_array_equal(layers["conv"][1], bias)


WEIGHT = np.ones((2, 3), np.float32)
BROKEN = {
    "truncated": net({"conv": [WEIGHT]})[:-3],
    "shape": field(100, field(1, b"conv") + field(7, field(7, field(1, varint(9))) + field(5, b"\0" * 8))),
    "unterminated varint": field(1, b"net") + b"\x80" * 11,
    "name": field(100, field(1, b"\xff\xfe") + field(7, b"")),
}


def test_weights_convert_writes_nothing_for_invalid_caffe_files(tmp_path: Path, capsys) -> None:
    for case in BROKEN:
        (tmp_path / "a.caffemodel").write_bytes(BROKEN[case])
        assert convert(tmp_path / "a.caffemodel", tmp_path / "out.safetensors") == 2
        output = capsys.readouterr().err
        assert output.count("\n") == 1
        assert "a.caffemodel" in output
        assert [path.name for path in tmp_path.iterdir()] == ["a.caffemodel"]


def test_weights_convert_names_mismatched_keys_and_options(authors, tmp_path: Path, capsys, refused) -> None:
    out = tmp_path / "out.safetensors"
    layers = local_hints_layers(authors)
    lacking = {name: blobs for name, blobs in layers.items() if name != "conv5_2"}
    (tmp_path / "lacking.caffemodel").write_bytes(net(lacking))
    assert convert(tmp_path / "lacking.caffemodel", out) == 2
    assert "block5.2.weight" in capsys.readouterr().err
    (tmp_path / "other.caffemodel").write_bytes(layer("fc6", [WEIGHT]))
    assert convert(tmp_path / "other.caffemodel", out) == 2
    assert "bw_conv1_1, ab_conv1_1, conv8_3" in capsys.readouterr().err
    source = tmp_path / "authors.pth"
    torch.save(as_tensors(authors), source)
    assert "depth" in refused("weights", "convert", MODEL, source, out, "--set", "depth=3")
    assert "also an input" in refused("weights", "convert", MODEL, source, source, "--overwrite")
    assert convert(tmp_path / "nothing.pth", out) == 2
    assert not out.exists()


def test_colorize_suggests_the_conversion_of_a_file_with_published_names(
    authors: dict[str, np.ndarray], tmp_path: Path, refused: Refused
) -> None:
    torch.save(as_tensors(authors), tmp_path / "theirs.pth")
    Image.fromarray(gray_image(40, 48)).save(tmp_path / "gray.png")
    words = ["colorize", tmp_path / "gray.png", "--model", MODEL, "--weights", tmp_path / "theirs.pth"]
    message = refused(*words)
    assert "unexpected keys (model1.0.weight, " in message
    command = re.search(r"`colorzoo (weights convert .*) OUT.safetensors`", message)
    assert command is not None
    assert main([*command[1].split(), str(tmp_path / "ours.safetensors"), *SETTINGS]) == 0


def test_weights_convert_set_requires_key_and_value(refused) -> None:
    words = ("a.pth", "o.safetensors", "--set", "mask_center")
    assert "must be KEY=VALUE" in refused("weights", "convert", MODEL, *words)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_weights_convert_shrinks_a_checkpoint_and_keeps_predictions(
    dtype: str, tmp_path: Path, capsys
) -> None:
    model = tiny_model()
    checkpoint, packed = tmp_path / "last.ckpt", tmp_path / "small.safetensors"
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": HPARAMS}, checkpoint)
    assert main(["weights", "convert", NAME, str(checkpoint), str(packed), "--dtype", dtype]) == 0
    output = capsys.readouterr().out
    assert f"size={packed.stat().st_size}" in output
    assert packed.stat().st_size < 0.6 * checkpoint.stat().st_size
    metadata = read_weights(packed).stored
    assert metadata["model"] == model_card(NAME).name
    assert metadata["hparams"] == json.dumps(read_weights(packed).hparams, sort_keys=True)
    lightness = 100 * torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loaded = colorzoo.create_model(NAME, packed)  # the width comes from the file
        torch.testing.assert_close(loaded(lightness).ab, model(lightness).ab, atol=1.0, rtol=0)


def write_checkpoint(path: Path, state_dict: dict[str, torch.Tensor], hparams: dict[str, Any]) -> Path:
    content = {"pytorch-lightning_version": "2.6.0", "state_dict": state_dict, "hyper_parameters": hparams}
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "wrapped", ["model._orig_mod.", "_orig_mod.model.", "module.model.", "model.module."]
)
def test_weights_convert_restores_names_of_wrapped_modules(wrapped: str, tmp_path: Path) -> None:
    model, out = tiny_model(), tmp_path / "out.safetensors"
    state_dict = {wrapped + key: value for key, value in model.state_dict().items()}
    if wrapped == "model._orig_mod.":  # torch.compile of a part of the network
        state_dict = {key.replace(".unet.", ".unet._orig_mod."): value for key, value in state_dict.items()}
    checkpoint = write_checkpoint(tmp_path / "a.ckpt", state_dict, HPARAMS)
    assert main(["weights", "convert", NAME, str(checkpoint), str(out)]) == 0
    for file in (checkpoint, out):
        loaded = colorzoo.create_model(NAME, file).model.state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_weights_convert_writes_nothing_if_a_checkpoint_does_not_match(
    change: str, tmp_path: Path, refused
) -> None:
    state_dict, out = tiny_model().state_dict(), tmp_path / "out.safetensors"
    key = next(iter(state_dict))
    value = state_dict.pop(key)
    if change != "missing":
        state_dict[key if change == "shape" else "network.other"] = value[:1]
    checkpoint = write_checkpoint(tmp_path / "a.ckpt", state_dict, HPARAMS)
    assert "a.ckpt" in refused("weights", "convert", NAME, checkpoint, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cho2023", {"width": 0.125, "segmenter_width": 0.125}),
        ("chen2023_small", {"width": 0.125, "color_width": 0.125}),
        ("larsson2016", {"width": 1 / 128, "boost": 1.4}),
    ],
)
def test_weights_convert_keeps_settings_that_differ_from_the_defaults(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    card, out = model_card(name), tmp_path / "out.safetensors"
    task = colorzoo.create_model(name, None, **settings)
    save_checkpoint(quiet_trainer(tmp_path), task, tmp_path / "a.ckpt")
    convert_weights(tmp_path / "a.ckpt", card, out)
    loaded = colorzoo.create_model(name, out).model
    assert loaded.hparams == task.model.hparams
    own = task.model.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())  # lossless


HDF5 = Path(__file__).parent / "narrow.caffemodel.h5"  # larsson2016 at width 1 / 128


def test_convert_weights_reads_the_larsson2016_hdf5_file(tmp_path: Path) -> None:
    card = model_card("larsson2016")
    convert_weights(HDF5, card, tmp_path / "ours.safetensors", hparams={"width": 1 / 128})
    model = colorzoo.create_model("larsson2016", tmp_path / "ours.safetensors")
    weight = model.model.state_dict()["network.chroma.weight"]
    wanted = pseudo_state_dict({"data/prediction_c/0": tuple(weight.shape)}, 7)["data/prediction_c/0"]
    torch.testing.assert_close(weight, torch.from_numpy(wanted))
    with pytest.raises(WeightsError, match="data/loss/0"):
        model.model.load_weights(
            {**read_weights(HDF5).state_dict, "data/loss/0": weight},
            name="the authors' weights",
            published=True,
        )


def test_converted_embedded_weights_count_as_trained(tmp_path: Path) -> None:
    """The constant color classes of Zhang 2016 are in the file, although they equal those of a new model."""
    card = model_card("zhang2016_small")
    out = tmp_path / "copy.safetensors"
    convert_weights(EMBEDDED_FOLDER / "zhang2016_small.safetensors", card, out)
    assert colorzoo.create_model("zhang2016_small", str(out)).model.trained
