"""Degradation of training images, which changes the lightness but not the colors."""

from types import SimpleNamespace

import kornia
import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.data import FolderDataModule
from colorzoo.data.degrade import DEGRADATIONS, degrade_images, simulate_emulsion
from colorzoo.randomness import draw_uniform, image_generators


def muted_images(count: int = 4, side: int = 32) -> torch.Tensor:
    """Return smooth muted images whose colors are inside sRGB at most lightness values."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return 0.5 + 0.15 * (smooth - 0.5)


def generators(count: int = 4) -> list[torch.Generator]:
    return image_generators(torch.arange(count), "aging")


def test_degrade_images_changes_lightness_but_not_colors() -> None:
    rgb = muted_images()
    degraded = degrade_images(rgb, generators(), 1.0)
    before, after = rgb_to_lab(rgb), rgb_to_lab(degraded)
    assert ((before - after)[:, :1].abs().mean(dim=(1, 2, 3)) > 0.5).all()
    assert (before - after)[:, 1:].abs().mean() < 0.2
    assert degraded.min() >= 0
    assert degraded.max() <= 1


def test_degrade_images_is_independent_of_the_batch() -> None:
    rgb = muted_images()
    together = degrade_images(rgb, generators(), 0.6)
    alone = [degrade_images(rgb[i : i + 1], generators()[i : i + 1], 0.6) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.equal(together, rgb)


@pytest.mark.parametrize("degrade", [each for each, _ in DEGRADATIONS], ids=lambda each: each.__name__)
def test_degradation_changes_lightness_and_is_reproducible(degrade) -> None:
    light = muted_images(6, 24)[:, :1, :, :20]
    params = draw_uniform(generators(6), 6, 5, light.device).T.reshape(5, 6, 1, 1, 1)
    degraded = degrade(light, params, generators(6))
    assert degraded.shape == light.shape
    assert ((degraded - light).abs().mean(dim=(1, 2, 3)) > 1e-4).all()
    torch.testing.assert_close(degrade(light, params, generators(6)), degraded, rtol=0, atol=0)


def test_jpeg_degradation_has_quality_25_to_85() -> None:
    light = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    jpeg = DEGRADATIONS[-1][0]
    for number, quality in ((0.0, 25), (1.0, 85)):
        how = torch.full((5, 1, 1, 1, 1), number)
        coded = kornia.enhance.jpeg_codec_differentiable(light.expand(-1, 3, -1, -1), torch.tensor([quality]))
        torch.testing.assert_close(jpeg(light, how, generators(1)), coded[:, :1])


def test_simulate_emulsion_darkens_red_for_one_fifth_of_the_seeds() -> None:
    rgb = torch.eye(3)[:, :, None, None]  # a red, a green and a blue image
    plain = rgb_to_lab(rgb)[:, :1]
    simulated = torch.stack(
        [simulate_emulsion(rgb, plain, torch.Generator().manual_seed(i)) for i in range(600)]
    )[..., 0, 0]
    changed = (simulated[..., 0] - plain[:, 0, 0, 0]).abs() > 1e-3
    assert changed.float().mean() == pytest.approx(0.2, abs=0.03)
    red = ((simulated[:, 0, 0][changed[:, 0]] + 16) / 116) ** 3
    assert 0.13 < red.max() < 0.151
    gray = torch.full((3, 3, 1, 1), 0.5)
    plain = rgb_to_lab(gray)[:, :1]
    torch.testing.assert_close(simulate_emulsion(gray, plain, torch.Generator()), plain, rtol=0, atol=0.01)


def test_folder_data_module_degrades_only_training_images(classes_folder, monkeypatch) -> None:
    module = FolderDataModule(str(classes_folder), batch_size=2, crop=32, degrade_prob=1.0, check=False)
    batch = {"rgb": muted_images(2), "seed": torch.tensor([3, 4]), "name": ["a", "b"]}
    module.trainer = None
    assert torch.equal(module.on_after_batch_transfer(dict(batch), 0)["rgb"], batch["rgb"])
    module.trainer = SimpleNamespace(training=True)
    monkeypatch.setattr(module, "batches_done", lambda: 0)
    degraded = module.on_after_batch_transfer(dict(batch), 0)["rgb"]
    plain = module.augment(dict(batch))["rgb"]
    assert (rgb_to_lab(plain) - rgb_to_lab(degraded))[:, :1].abs().mean() > 0.5
