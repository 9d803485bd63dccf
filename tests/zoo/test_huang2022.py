"""UniColor: sampling of codes, recoloring, hints, and the authors' files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance, Points
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.zoo.huang2022.hints import exemplar_hints, point_hints, resized, to_levels
from colorzoo.zoo.huang2022.model import UniColor

CARD = model_card("huang2022")
KNOWN = {key: value for key, value in CARD.contract_test.hparams.items() if key not in ("fewest", "strokes")}


def model(**settings: Any) -> UniColor:
    torch.manual_seed(0)
    sizes = {**KNOWN, "channels": 32, "rows": 4, "columns": 4, **settings}
    made = build_model(UniColor, sizes).eval()
    with torch.no_grad():
        for name, weight in made.network.transformer.named_parameters():
            if weight.ndim > 1 or "emb" in name:
                weight.normal_(std=0.3)
    return made


@torch.inference_mode()
def test_huang2022_codes_depend_on_seed_and_top_k() -> None:
    lightness = torch.rand(1, 1, 40, 70) * 100
    made = model(top_k=8)
    found = made(lightness)
    one, vqgan = found.extras["codes"], made.network.vqgan
    small = F.interpolate(lightness, (64, 64), mode="bilinear", antialias=True)
    gray = vqgan.gray_encoder(2 * lightness_to_rgb(small)[:, :1] - 1)
    rgb = vqgan.decode_codes(one[:, 0], gray).clamp(-1, 1) / 2 + 0.5
    wanted = F.interpolate(rgb_to_lab(rgb)[:, 1:], (40, 70), mode="bilinear", antialias=True)
    torch.testing.assert_close(found.ab, wanted)
    assert not torch.equal(one, model(top_k=8, seed=1)(lightness).extras["codes"])
    assert not torch.equal(one, model(top_k=1)(lightness).extras["codes"])


@torch.inference_mode()
def test_recolor_changes_only_cells_in_the_region() -> None:
    made, lightness, rgb = model(top_k=8, seed=3), torch.rand(1, 1, 64, 64) * 100, sample_image((64, 64))
    region = torch.zeros(1, 1, 64, 64)
    region[..., 20:30, 36:50] = 1  # row 1, columns 2 and 3
    before = made.network.vqgan.encode(2 * rgb - 1)
    after = made.recolor(lightness, rgb, region).extras["codes"][0]
    apart = (before != after)[0].nonzero().tolist()
    assert apart
    assert all(cell in ([1, 2], [1, 3]) for cell in apart)


def test_digest_covers_the_content_of_the_matcher_weights(tmp_path: Path) -> None:
    weights = tmp_path / "matcher.pth"
    weights.write_bytes(b"first")
    made = model(matcher_weights=str(weights))
    before = made.digest()
    weights.write_bytes(b"other weights")
    assert made.digest() != before


def test_point_hints_are_colors_of_the_covered_cells() -> None:
    lightness = torch.full((2, 1, 64, 96), 50.0)
    ab, mask = torch.zeros(2, 2, 64, 96), torch.zeros(2, 1, 64, 96)
    mask[0, :, 2:14, 18:30] = mask[0, :, 40, 90] = mask[1, :, 20:36, 5:9] = 1
    ab[0, 0, :, :48], ab[0, 1, :, 48:], ab[1] = 40, -40, 20
    hints = point_hints(lightness, Points(ab * mask, mask), (4, 6))
    assert hints.cells.tolist() == [[0, 0, 1], [0, 2, 5], [1, 1, 0], [1, 2, 0]]
    wanted = lab_to_rgb(torch.tensor([[50.0, 40, 0], [50, 0, -40], [50, 20, 20], [50, 20, 20]]).T[..., None])
    torch.testing.assert_close(hints.rgb, 2 * wanted[..., 0].T - 1, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_huang2022_appends_point_hints_to_exemplar_hints() -> None:
    made, lightness = model(matched_size=(144, 128)), torch.rand(1, 1, 64, 64) * 100
    rgb = sample_image((50, 90))
    points = Points(torch.full((1, 2, 64, 64), 30.0), torch.ones(1, 1, 64, 64))
    both = made.hints(lightness, Guidance(points=points, exemplar=Exemplar(rgb)))
    alone = made.hints(lightness, Guidance(points=points))
    assert len(both.cells) > len(alone.cells) == 16
    assert torch.equal(both.rgb[-16:], alone.rgb)
    squashed = [F.interpolate(each, (144, 128), mode="bilinear", antialias=True) for each in (lightness, rgb)]
    warped = made._loaded_matcher(torch.device("cpu"))(*squashed)
    levels = resized(to_levels(2 * warped.image()[0] - 1), (64, 64))
    wanted = exemplar_hints(levels, warped.similarity[0, 0].numpy())
    assert torch.equal(both.cells[:-16], wanted.cells)
    assert torch.equal(both.rgb[:-16], wanted.rgb)


def published_file(folder: Path, made: UniColor, prefixes: tuple[str, str]) -> Path:
    """Write a checkpoint in the authors' format, which contains the Chroma-VQGAN tensors twice."""
    parts = (made.network.vqgan.state_dict(), made.network.transformer.state_dict())
    state = {f"{prefixes[0]}.model.{key}": value for key, value in parts[0].items()}
    state |= {f"{prefixes[0]}.{key}": value.clone() for key, value in parts[0].items()}
    state |= {f"{prefixes[1]}.{key}": value for key, value in parts[1].items()}
    path = folder / "file.ckpt"
    torch.save(
        {"pytorch-lightning_version": "1.6.0", "state_dict": state, "hyper_parameters": {"lr": 1}}, path
    )
    return path


@pytest.mark.parametrize("prefixes", [("chroma_vqgan", "hybrid_tran"), ("hybrid_vqgan", "coltran")])
def test_huang2022_loads_published_tensor_names(prefixes: tuple[str, str], tmp_path: Path) -> None:
    made = model()
    path = published_file(tmp_path, made, prefixes)
    loaded = model(seed=5)
    loaded.load_published_state_dict(torch.load(path)["state_dict"])
    for name, value in made.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
