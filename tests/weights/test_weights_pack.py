"""A checkpoint becomes a small weight file that the model loads."""

from pathlib import Path

import torch

from colorzoo import create_model, model_card
from colorzoo.cli.main import main
from colorzoo.weights import read_metadata
from tiny_model import HPARAMS, NAME, tiny_model


def test_a_packed_checkpoint_is_half_the_size_and_colors_alike(tmp_path: Path, capsys) -> None:
    model = tiny_model()
    checkpoint, packed = tmp_path / "last.ckpt", tmp_path / "small.safetensors"
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": HPARAMS}, checkpoint)
    assert main(["weights", "pack", NAME, str(checkpoint), str(packed)]) == 0
    said = capsys.readouterr().out
    assert f"size={packed.stat().st_size}" in said
    assert packed.stat().st_size < 0.6 * checkpoint.stat().st_size
    assert read_metadata(packed)["model"] == model_card(NAME).name
    luma = 100 * torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loaded = create_model(NAME, packed)  # the file says how wide it is
        torch.testing.assert_close(loaded(luma).ab, model(luma).ab, atol=0.5, rtol=0)


def test_no_checkpoint_no_file(tmp_path: Path, capsys) -> None:
    (tmp_path / "last.ckpt").write_text("hello")
    assert (
        main(["weights", "pack", NAME, str(tmp_path / "last.ckpt"), str(tmp_path / "out.safetensors")]) == 2
    )
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()
