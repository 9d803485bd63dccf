"""White balance of training images, which reduces warm color casts only."""

import pytest
import torch
from lightning.pytorch import Trainer

from colorzoo.data import FolderDataModule
from colorzoo.data.augment import has_warm_cast, white_balance
from colorzoo.randomness import image_generators

WARM, COOL = (1.15, 1.0, 0.7), (0.7, 1.0, 1.15)
RED, YELLOW_GREEN = (1.2, 0.8, 0.75), (0.7, 1.1, 0.6)


def gray_images(count: int = 4, side: int = 24) -> torch.Tensor:
    gray = torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(0))
    return 0.8 * gray.expand(-1, 3, -1, -1)


def tinted(color: tuple[float, float, float], count: int = 4) -> torch.Tensor:
    return gray_images(count) * torch.tensor(color).view(1, 3, 1, 1)


def generators(count: int = 4) -> list[torch.Generator]:
    return image_generators(torch.arange(count), "white balance")


def test_white_balance_removes_part_of_a_cast_and_darkens_bright_images() -> None:
    images = tinted(WARM)
    images[:, :, :4] = torch.linspace(0.85, 1, 24)  # a bright region
    balanced = white_balance(images, generators(), 1.0)
    parts = torch.stack([torch.rand(2, generator=each)[1] for each in generators()]) * 0.6 + 0.4
    means = images.mean(dim=(2, 3))
    gains = (means.mean(dim=1, keepdim=True) / means) ** parts[:, None]
    expected = images * gains[:, :, None, None]
    highest = expected.flatten(1).sort(dim=1).values[:, round(0.995 * expected[0].numel()) - 1]
    expected = (expected / highest.clamp(min=1).view(-1, 1, 1, 1)).clamp(max=1)
    torch.testing.assert_close(balanced, expected)


@pytest.mark.parametrize("kind", ["cool", "gray", "many"])
def test_white_balance_keeps_images_without_a_warm_cast(kind: str) -> None:
    many = torch.cat([tinted(RED)[..., :12], tinted(YELLOW_GREEN)[..., 12:]], dim=-1)  # warm in the mean
    images = {"cool": tinted(COOL), "gray": gray_images(), "many": many}[kind]
    assert not has_warm_cast(images).any()
    assert torch.equal(white_balance(images, generators(), 1.0), images)


@pytest.mark.parametrize(
    ("tint", "expected"),
    [
        (WARM, True),
        ((1.0, 0.8, 0.6), True),
        ((0.8, 1.0, 0.5), True),  # green, but without blue
        ((1.0, 0.6, 0.85), False),  # red, but with blue
        ((0.8, 0.6, 1.0), False),
        (COOL, False),
        ((1.0, 1.0, 0.9), True),  # yellow minus blue is 0.04 in the mean
        ((1.0, 1.0, 0.97), False),  # 0.012
    ],
)
def test_warm_casts_have_less_blue_than_red_and_green(
    tint: tuple[float, float, float], *, expected: bool
) -> None:
    assert has_warm_cast(tinted(tint)).tolist() == [expected] * 4


def test_folder_data_module_white_balances_only_training_images(classes_folder) -> None:
    settings = {"batch_size": 2, "crop": 24, "val_size": 24, "min_scale": 1.0, "check": False}
    module = FolderDataModule(str(classes_folder), white_balance_prob=1.0, **settings)
    batch = {"rgb": tinted(WARM, 2), "seed": torch.tensor([3, 4]), "name": ["a", "b"]}
    module.trainer = None
    assert torch.equal(module.on_after_batch_transfer(dict(batch), 0)["rgb"], batch["rgb"])
    module.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    module.trainer.training = True
    trained = module.on_after_batch_transfer(dict(batch), 0)["rgb"]
    warmth = lambda rgb: (rgb[:, 0] - rgb[:, 2]).mean()  # noqa: E731
    assert warmth(trained) < 0.7 * warmth(batch["rgb"])
