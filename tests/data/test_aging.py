"""Aging of training pictures: lightness changes, colors stay."""

import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.data import FolderDataModule
from colorzoo.data.aging import FAULTS, add_borders, age_lightness, age_photos, expose
from colorzoo.randomness import draw_uniform, picture_generators


def photos(count: int = 4, side: int = 32) -> torch.Tensor:
    """Smooth muted pictures, whose colors sRGB shows at most lightnesses."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return 0.5 + 0.15 * (smooth - 0.5)


def generators(count: int = 4) -> list[torch.Generator]:
    return picture_generators(torch.arange(count), "aging")


def test_lightness_changes_and_colors_stay() -> None:
    rgb = photos()
    aged = age_photos(rgb, generators(), 1.0)
    before, after = rgb_to_lab(rgb), rgb_to_lab(aged)
    assert ((before - after)[:, :1].abs().mean(dim=(1, 2, 3)) > 0.5).all()
    assert (before - after)[:, 1:].abs().mean() < 0.2
    assert aged.min() >= 0
    assert aged.max() <= 1


def test_a_share_of_zero_changes_nothing() -> None:
    rgb = photos()
    assert age_photos(rgb, generators(), 0.0) is rgb


def test_about_the_share_of_the_pictures_age() -> None:
    rgb = photos(1, 8).expand(400, -1, -1, -1)
    aged = age_photos(rgb, torch.Generator().manual_seed(0), 0.25)
    changed = ((aged - rgb).abs().amax(dim=(1, 2, 3)) > 0).float().mean()
    assert 0.15 < changed < 0.3  # some aged pictures draw faults too weak to change a flat crop of 8 pixels


def test_aging_does_not_depend_on_the_batch() -> None:
    rgb = photos()
    together = age_photos(rgb, generators(), 0.6)
    alone = [age_photos(rgb[i : i + 1], generators()[i : i + 1], 0.6) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.equal(together, rgb)


@pytest.mark.parametrize("fault", [fault for fault, _ in FAULTS], ids=lambda fault: fault.__name__)
def test_each_fault_depends_on_its_parameters(fault) -> None:
    lightness = photos()[:, :1]
    how = draw_uniform(generators(), 4, 5, lightness.device).T.reshape(5, 4, 1, 1, 1)
    strong = fault(lightness, how, generators())
    assert strong.shape == lightness.shape
    assert ((strong - lightness).abs().amax(dim=(1, 2, 3)) > 1e-4).all()
    assert not torch.equal(strong, fault(lightness, 1 - how, generators()))


def test_some_pictures_get_a_gray_border_and_stay_the_same_inside() -> None:
    rgb = torch.rand(1, 3, 60, 40, generator=torch.Generator().manual_seed(0)).expand(600, -1, -1, -1)
    framed = add_borders(rgb, torch.Generator().manual_seed(1))
    changed = (framed != rgb).any(dim=1)
    assert 0.12 < changed.flatten(1).any(dim=1).float().mean() < 0.2
    assert not changed[:, 6:-6, 4:-4].any()  # at most 9 % of a side
    border = framed.permute(0, 2, 3, 1)[changed]
    assert (border == border[:, :1]).all()
    assert ((border < 0.3) | (border > 0.65)).all()
    for side in (changed[:, 0], changed[:, -1], changed[:, :, 0], changed[:, :, -1]):
        assert 0.05 < side.all(dim=1).float().mean() < 0.15


def test_some_emulsions_see_red_as_dark_and_gray_as_it_is() -> None:
    red, blue, gray = ([0.8, 0.2, 0.2], [0.2, 0.2, 0.8], [0.5, 0.5, 0.5])
    rgb = torch.tensor([red, blue, gray])[:, :, None, None]
    many = [expose(rgb, rgb_to_lab(rgb)[:, :1], torch.Generator().manual_seed(i)) for i in range(200)]
    change = torch.stack(many).flatten(1) - rgb_to_lab(rgb)[:, 0, 0, 0]
    assert 0.1 < (change[:, 0] < -5).float().mean() < 0.3
    assert 0.1 < (change[:, 1] > 5).float().mean() < 0.3
    assert change[:, 2].abs().max() < 0.01


def test_lightness_stays_in_its_range() -> None:
    lightness = torch.tensor([0.0, 100.0]).view(2, 1, 1, 1).expand(2, 1, 48, 40)
    aged = age_lightness(lightness, generators(2))
    assert aged.min() >= 0
    assert aged.max() <= 100


def test_training_pictures_age_and_validation_pictures_do_not(classes_folder, monkeypatch) -> None:
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
