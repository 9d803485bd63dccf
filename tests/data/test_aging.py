"""Aging of training images: lightness changes, colors stay."""

import kornia
import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch.nn.functional import interpolate

from colorzoo.color import rgb_to_lab
from colorzoo.data import FolderDataModule
from colorzoo.data.aging import FAULTS, age_photos, expose
from colorzoo.randomness import draw_uniform, image_generators


def photos(count: int = 4, side: int = 32) -> torch.Tensor:
    """Smooth muted images, whose colors sRGB shows at most lightnesses."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return 0.5 + 0.15 * (smooth - 0.5)


def generators(count: int = 4) -> list[torch.Generator]:
    return image_generators(torch.arange(count), "aging")


def test_lightness_changes_and_colors_stay() -> None:
    rgb = photos()
    aged = age_photos(rgb, generators(), 1.0)
    before, after = rgb_to_lab(rgb), rgb_to_lab(aged)
    assert ((before - after)[:, :1].abs().mean(dim=(1, 2, 3)) > 0.5).all()
    assert (before - after)[:, 1:].abs().mean() < 0.2
    assert aged.min() >= 0
    assert aged.max() <= 1


def test_aging_does_not_depend_on_the_batch() -> None:
    rgb = photos()
    together = age_photos(rgb, generators(), 0.6)
    alone = [age_photos(rgb[i : i + 1], generators()[i : i + 1], 0.6) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.equal(together, rgb)


def by_formula(name: str, light: np.ndarray, how: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Return what a fault makes of lightness in [0, 1], written out for one image."""
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    if name == "_blur":
        return light + how[0] * (uniform_filter(light, 3, mode="nearest") - light)
    if name == "_fade":
        return light ** np.exp(0.9 * how[0] - 0.45) * (1 - how[1] / 2) + how[1] / 2 * how[2]
    if name == "_uneven_light":
        field = torch.randn(1, 1, 3, 3, generator=generator)
        return light + 0.06 * how[0] * interpolate(field, light.shape, mode="bicubic")[0, 0].numpy()
    if name == "_scratches":
        ink = 0
        for place, slope, tone in torch.rand(3, 3, generator=generator).numpy():
            line = light.shape[1] * (place + (slope - 0.5) * (rows / (len(light) - 1) - 0.5))
            ink += (tone - 0.5) * np.exp(-((columns - line) ** 2) / (0.5 + how[0]))
        return light + 0.8 * ink
    if name == "_halftone":
        turned = (columns + 1j * rows) * np.exp(-0.5j * np.pi * how[0]) * 2 * np.pi / (2.5 + 3 * how[1])
        return light + 0.5 * how[2] * light * (1 - light) * (np.cos(turned.real) + np.cos(turned.imag))
    noise = torch.randn(light.shape, generator=generator).numpy()
    return light + 0.04 * how[0] * (2.2 * uniform_filter(noise, 3, mode="nearest") if how[1] < 0.5 else noise)


@pytest.mark.parametrize("fault", [fault for fault, _ in FAULTS[:-1]], ids=lambda fault: fault.__name__)
def test_a_fault_is_as_strong_as_its_formula(fault) -> None:
    light = photos(6, 24)[:, :1, :, :20]
    how = draw_uniform(generators(6), 6, 5, light.device)
    found = fault(light, how.T.reshape(5, 6, 1, 1, 1), generators(6))
    for image, numbers, generator, made in zip(light, how.numpy(), generators(6), found, strict=True):
        wanted = by_formula(fault.__name__, image[0].numpy(), numbers, generator)
        np.testing.assert_allclose(made[0].numpy(), wanted, atol=1e-5)


def test_jpeg_has_the_quality_of_files_that_were_sent_around() -> None:
    light = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    jpeg = FAULTS[-1][0]
    for number, quality in ((0.0, 25), (1.0, 85)):
        how = torch.full((5, 1, 1, 1, 1), number)
        coded = kornia.enhance.jpeg_codec_differentiable(light.expand(-1, 3, -1, -1), torch.tensor([quality]))
        torch.testing.assert_close(jpeg(light, how, generators(1)), coded[:, :1])


def test_some_emulsions_see_little_red_and_much_blue() -> None:
    rgb = torch.eye(3)[:, :, None, None]  # a red, a green and a blue image
    plain = rgb_to_lab(rgb)[:, :1]
    seen = torch.stack([expose(rgb, plain, torch.Generator().manual_seed(i)) for i in range(600)])[..., 0, 0]
    changed = (seen[..., 0] - plain[:, 0, 0, 0]).abs() > 1e-3
    assert changed.float().mean() == pytest.approx(0.2, abs=0.03)
    shares = {}
    for color, image in enumerate(("red", "green", "blue")):
        shares[image] = ((seen[:, color, 0][changed[:, color]] + 16) / 116) ** 3
    assert 0.13 < shares["red"].max() < 0.151
    assert 0.4 <= shares["green"].min() < 0.42 < 0.68 < shares["green"].max() <= 0.701
    assert 0.15 < shares["blue"].min() < 0.25 < 0.5 < shares["blue"].max() <= 0.6
    gray = torch.full((3, 3, 1, 1), 0.5)
    plain = rgb_to_lab(gray)[:, :1]
    torch.testing.assert_close(expose(gray, plain, torch.Generator()), plain, rtol=0, atol=0.01)


def test_training_images_age_and_validation_images_do_not(classes_folder, monkeypatch) -> None:
    def modules(aged: float) -> FolderDataModule:
        return FolderDataModule(
            str(classes_folder), batch_size=2, crop=32, val_size=32, aged=aged, check=False
        )

    class Fitting:
        training = True

    plain, aged = modules(0.0), modules(1.0)
    batch = {"rgb": photos(2), "seed": torch.tensor([3, 4]), "name": ["a", "b"]}
    for module in (plain, aged):
        module.trainer = None
    unseen = aged.on_after_batch_transfer(dict(batch), 0)["rgb"]
    torch.testing.assert_close(unseen, batch["rgb"])
    for module in (plain, aged):
        module.trainer = Fitting()
    first = plain.on_after_batch_transfer(dict(batch), 0)["rgb"]
    second = aged.on_after_batch_transfer(dict(batch), 0)["rgb"]
    assert (rgb_to_lab(first) - rgb_to_lab(second))[:, :1].abs().mean() > 0.5
