"""Crops, optimizers and schedules of published configurations, compared with the fact sheets of the papers.

The table is written from the fact sheets, not from the configurations. Papers without a fact sheet are not in
the table; `training_recipes` compares all papers with their sources. Learning rates are computed with the
schedules of the configurations at selected steps.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from colorzoo.data.augment import random_windows

CONFIGS = Path(__file__).parents[2] / "configs"
IMAGENET, COCO = 1_281_167, 118_287  # training images


@dataclass(frozen=True)
class Crop:
    """Training crops: side of the decoded images, side of the crops, and how the crops are drawn."""

    side: int
    crop: int
    kind: str = "random crop"


@dataclass(frozen=True)
class Row:
    """Settings of a paper.

    Attributes:
        crop: Crops; see `Crop`.
        batch: Images per step.
        optimizer: Class, learning rate, betas and weight decay.
        length: Number of steps, or of epochs with ``images``.
        rates: Learning rate by step.
        images: Number of training images, for lengths in epochs.
        discriminator: Optimizer of the discriminator, or None.
        discriminator_rates: Learning rate of the discriminator by step.
    """

    crop: Crop
    batch: int
    optimizer: tuple[Any, ...] | None
    length: int
    rates: dict[int, float]
    images: int | None = None
    discriminator: tuple[Any, ...] | None = None
    discriminator_rates: dict[int, float] | None = None


def adam(lr: float, *betas: float, decay: float = 0.0, name: str = "Adam") -> tuple[Any, ...]:
    return name, lr, betas or (0.9, 0.999), decay


def constant(rate: float, steps: int = 10**6) -> dict[int, float]:
    return {0: rate, steps: rate}


def epochs(count: int, batch: int, images: int = IMAGENET) -> int:
    """Return the number of steps in ``count`` epochs."""
    return count * (images // batch)


def one_cycle(phase: int, peak: float, steps: int, data_batch: int) -> Row:
    """Return a DeOldify phase: the rate starts at peak / 25 and reaches the peak at 80 % or at once."""
    top = round(0.8 * steps) if phase == 64 and peak == 1e-3 else 0
    rates = {top: peak} | ({0: peak / 25} if top else {})
    optimizer = adam(peak, 0.95, 0.99, decay=1e-3, name="AdamW")
    return Row(Crop(phase, phase, "fastai"), data_batch, optimizer, steps, rates)


def halved(lr: float, every: int, count: int) -> dict[int, float]:
    return {every * n + 1: lr * 0.5**n for n in range(count + 1)}


RRC = "RandomResizedCrop"
DEOLDIFY_GAN = {"gan": (9, 1e-5), "stable_gan": (5, 2e-5)}
DDCOLOR = Row(
    Crop(256, 256, "whole"),
    16,
    adam(1e-4, 0.9, 0.99, decay=0.01, name="AdamW"),
    400_000,
    halved(1e-4, 40_000, 0) | {80_001: 5e-5, 120_001: 2.5e-5, 360_001: 1e-4 / 256},
    discriminator=adam(1e-4, 0.9, 0.99),
    discriminator_rates={80_001: 5e-5, 360_001: 1e-4 / 256},
)
ICOLORIT = {"base": 1000, "s": 100, "tiny": 25}
PAPERS: dict[str, Row] = {
    # zhang2016_zhang2017.md, section 2; the Caffe loss is a sum over 44 x 44 positions
    "zhang2016/paper": Row(
        Crop(256, 176), 40, adam(3e-5, 0.9, 0.99, decay=1e-3 / 44**2), 450_000,
        {0: 3e-5, 199_999: 3e-5, 200_001: 1e-5, 374_999: 1e-5, 375_001: 3e-6},
    ),
    "zhang2016/released": Row(
        Crop(256, 176), 40, adam(3e-5, 0.9, 0.99, decay=1e-3 / 44**2), 500_000,
        {224_999: 3e-5, 225_001: 3e-6, 450_001: 3e-7},
    ),
    # zhang2016_zhang2017.md, section 3
    "zhang2017/local_bootstrap": Row(Crop(256, 176, RRC), 25, adam(1e-4), 100, constant(1e-4), 13_000),
    "zhang2017/local_classification": Row(Crop(256, 176, RRC), 25, adam(1e-4), 15, constant(1e-4), IMAGENET),
    "zhang2017/local": Row(Crop(256, 176, RRC), 25, adam(1e-5), 10, constant(1e-5), IMAGENET),
    "zhang2017/local_finish": Row(Crop(256, 176, RRC), 25, adam(1e-6), 5, constant(1e-6), IMAGENET),
    "zhang2017/global": Row(Crop(256, 176, RRC), 25, adam(1e-5), 10, constant(1e-5), IMAGENET),
    # iizuka2016.md, section 4
    "iizuka2016/paper": Row(Crop(256, 224), 128, ("Adadelta", 1.0, (0.9,), 0.0), 200_000, constant(1.0)),
    # larsson2016.md, section 5
    "larsson2016/paper": Row(
        Crop(599, 352, "shorter side from 352 to 599"), 8, ("SGD", 1e-3, (0.9,), 5e-4), 2_000_000,
        {999_999: 1e-3, 1_000_001: 1e-4, 1_500_001: 1e-5, 1_750_001: 1e-6},
    ),
    # gray2colornet.md, section 6
    "lu2020/body": Row(Crop(144, 128), 48, adam(2e-4), 10, constant(2e-4), IMAGENET),
    "lu2020/paper": Row(Crop(144, 128), 12, adam(2e-4), 10, constant(2e-4), IMAGENET),
    # yin2021.md, section 6; the optimizer is that of gray2colornet.md
    "yin2021/paper": Row(Crop(288, 256), 8, adam(2e-4), 10, constant(2e-4), IMAGENET),
    # xiao2020.md, section 4; the loss is a sum over positions, as in Caffe
    "xiao2020/first": Row(
        Crop(72, 64), 5, adam(3.16e-5, 0.9, 0.99, decay=1e-3), 200_000, constant(3.16e-5)
    ),
    "xiao2020/later": Row(
        Crop(144, 128), 5, adam(3.16e-5, 0.9, 0.99, decay=1e-3), 200_000, constant(3.16e-5)
    ),
    # xcnet.md, section 8
    "blanch2021/paper": Row(
        Crop(224, 224, "whole"), 12, adam(1e-5), 90, constant(1e-5), IMAGENET,
        discriminator=adam(1e-5), discriminator_rates=constant(1e-5),
    ),
    # sscn.md, section 6
    "bai2022/paper": Row(
        Crop(256, 256, "whole"), 8, adam(1e-4), 105,
        {epochs(4, 8): 1e-4, epochs(55, 8): 0.5e-4, epochs(105, 8) - 1: 0.0}, IMAGENET,
    ),
    # spcolor.md, section 5
    "chen2023/paper": Row(
        Crop(256, 256, "whole"), 16, adam(4e-4, 0.5, 0.999), 120_000, {99_999: 4e-4, 100_001: 4e-5},
        discriminator=adam(2e-4, 0.5, 0.999), discriminator_rates={99_999: 2e-4, 100_001: 2e-5},
    ),
    # spcolor.md, section 7
    "zhang2019/paper": Row(
        Crop(256, 256, "whole"), 16, adam(2e-4, 0.5, 0.999), 40, constant(2e-4), IMAGENET,
        discriminator=adam(2e-4, 0.5, 0.999), discriminator_rates=constant(2e-4),
    ),
    # cho2023_guidingpainter.md, section 4; a sixth of the images is not cropped
    "cho2023/paper": Row(
        Crop(320, 256, RRC), 12, adam(2e-4), 200,
        {epochs(99, 12, 24_000): 2e-4, epochs(150, 12, 24_000): 2e-4 * (1 - 50 / 101)}, 24_000,
        discriminator=adam(2e-4), discriminator_rates={epochs(150, 12, 24_000): 2e-4 * (1 - 50 / 101)},
    ),
    # ci2018.md, training
    "ci2018/paper": Row(
        Crop(512, 512, "whole"), 4, adam(1e-4, 0.5, 0.9), 250_000, {124_999: 1e-4, 125_001: 1e-5},
        discriminator=adam(1e-4, 0.5, 0.9), discriminator_rates={124_999: 1e-4, 125_001: 1e-5},
    ),
    # he2018.md, section 7: "decayed" without numbers
    "he2018/paper": Row(Crop(256, 256, "whole"), 256, adam(1e-3), 10, {0: 1e-3}, 700_000),
    # huang2022.md, sections 2 and 3; lengths from the steps in the published files
    "huang2022/vqgan_imagenet": Row(
        Crop(294, 256), 32, adam(1.6e-6 * 32, 0.5, 0.9), 320_000, constant(5.12e-5)
    ),
    "huang2022/vqgan_coco": Row(Crop(294, 256), 24, adam(7.5e-5, 0.5, 0.9), 320_000, constant(7.5e-5)),
    "huang2022/imagenet": Row(
        Crop(294, 256), 128, adam(2.048e-4, 0.9, 0.95, decay=0.01, name="AdamW"), 142_125,
        {epochs(9, 128, 1_210_000): 2.048e-4, epochs(11, 128, 1_210_000): 2.048e-5},
    ),
    "huang2022/coco": Row(
        Crop(294, 256), 64, adam(1.92e-4, 0.9, 0.95, decay=0.01, name="AdamW"), 260_000,
        {epochs(99, 64, 115_000): 1.92e-4, epochs(101, 64, 115_000): 1.92e-5},
    ),
    # ddcolor.md, section 7
    "kang2023/paper": DDCOLOR,
    "kang2023/tiny": DDCOLOR,
    # kim2021.md, training
    "kim2021/paper": Row(Crop(256, 256, "whole"), 16, adam(1e-4), 5, constant(1e-4), IMAGENET),
    # lee2020.md, section 4
    "lee2020/paper": Row(
        Crop(256, 256, "whole"), 16, adam(1e-4, 0.5, 0.999), 40, constant(1e-4), 20_000,
        discriminator=adam(2e-4, 0.5, 0.999), discriminator_rates=constant(2e-4),
    ),
    # su2020.md, training
    "su2020/full": Row(
        Crop(256, 256, "whole"), 16, adam(5e-4), 150,
        {epochs(99, 16, COCO): 5e-4, epochs(125, 16, COCO): 2.5e-4}, COCO,
    ),
    "su2020/instance": Row(
        Crop(256, 256, "whole"), 16, adam(5e-4), 150,
        {epochs(99, 16, COCO): 5e-4, epochs(125, 16, COCO): 2.5e-4}, COCO,
    ),
    "su2020/fusion": Row(
        Crop(256, 256, "whole"), 1, adam(5e-5), 30,
        {epochs(9, 1, COCO): 5e-5, epochs(20, 1, COCO): 2.5e-5}, COCO,
    ),
    # xia2022.md, section 4
    "xia2022/superpixels": Row(Crop(256, 256, "whole"), 256, adam(2e-4), 20, constant(2e-4), IMAGENET),
    "xia2022/paper": Row(
        Crop(256, 256, "whole"), 96, adam(2e-4), 60,
        {0: 2e-4, epochs(30, 96): 2e-4 * 0.505, epochs(60, 96): 2e-6}, IMAGENET,
    ),
    # xu2020.md, section 7: learning rates of the paper, batch and crops of the code
    "xu2020/color": Row(
        Crop(256, 176, RRC), 40, adam(1e-5), 20, {epochs(9, 40): 1e-5, epochs(11, 40): 1e-6}, IMAGENET
    ),
    "xu2020/decoder": Row(
        Crop(256, 176, "not published"), 8, adam(1e-4), 88,
        {epochs(4, 8, COCO): 1e-4, epochs(6, 8, COCO): 5e-5, epochs(11, 8, COCO): 2.5e-5}, COCO,
    ),
    # color2embed.md, section 5
    "zhao2021/paper": Row(Crop(256, 256, "whole"), 64, adam(1e-4, 0.9, 0.99), 100_000, constant(1e-4)),
    # icolorit.md, training
    **{
        f"yun2023/{name}": Row(
            Crop(256, 224, RRC), 256, adam(5e-4, 0.9, 0.95, decay=0.05, name="AdamW"), count,
            {0: 0.0, epochs(3, 256): 5e-4, epochs(count, 256): 1e-5}, IMAGENET,
        )
        for name, count in ICOLORIT.items()
    },
    # deoldify.md, section 5
    "antic2019/frozen_64": one_cycle(64, 1e-3, epochs(1, 88) + 1, 88),
    "antic2019/stable_frozen_64": one_cycle(64, 1e-3, epochs(1, 88) + 1, 88),
    "antic2019/unfrozen_64": one_cycle(64, 3e-4, epochs(1, 88) + 1, 88),
    "antic2019/unfrozen_128": one_cycle(128, 1e-4, epochs(1, 22) + 1, 22),
    "antic2019/unfrozen_192": one_cycle(192, 5e-5, epochs(1, 11, IMAGENET // 2) + 1, 11),
    "antic2019/critic_128": Row(
        Crop(128, 128, "fastai"), 64 // 2, None, 6 * 3404, {},
        discriminator=adam(1e-3, 0.95, 0.99, decay=1e-3, name="AdamW"), discriminator_rates={0: 1e-3 / 25},
    ),
    "antic2019/critic_192": Row(
        Crop(192, 192, "fastai"), 16 // 2, None, 4 * 13613, {},
        discriminator=adam(1e-4, 0.95, 0.99, decay=1e-3, name="AdamW"), discriminator_rates={0: 1e-4 / 25},
    ),
    **{
        f"antic2019/{name}": Row(
            Crop(192, 192, "fastai"), batch, adam(lr, 0.0, 0.9, decay=1e-3, name="AdamW"),
            round(0.03 * IMAGENET / batch), constant(lr),
            discriminator=adam(5 * lr, 0.0, 0.9, decay=1e-3, name="AdamW"),
            discriminator_rates=constant(5 * lr),
        )
        for name, (batch, lr) in DEOLDIFY_GAN.items()
    },
}  # fmt: skip


def parts(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the sections ``model``, ``data`` and ``trainer`` of a configuration."""
    text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    data = config["data"]["init_args"]
    prefix = "${data.init_args."
    for key, value in data.items():
        if isinstance(value, str) and value.startswith(prefix):
            data[key] = data[value.removeprefix(prefix).rstrip("}")]
    return config["model"]["init_args"], data, config["trainer"]


def loaded(section: dict[str, Any], first: Any) -> Any:
    """Create the object of a section with ``class_path`` and ``init_args``."""
    module, _, name = section["class_path"].rpartition(".")
    return getattr(importlib.import_module(module), name)(first, **(section.get("init_args") or {}))


@pytest.mark.parametrize("name", PAPERS)
def test_training_crops_equal_the_fact_sheet(name: str) -> None:
    _, data, _ = parts(name)
    expected, crop = PAPERS[name].crop, data["crop"]
    side = data.get("resize") or round(1.25 * crop)
    assert (side, crop, data["batch_size"]) == (expected.side, expected.crop, PAPERS[name].batch)
    settings = {key: data[key] for key in ("min_scale", "max_stretch") if key in data}
    windows = random_windows(
        400,
        torch.Generator().manual_seed(0),
        side,
        crop,
        kind=data.get("window", "side"),
        **{"min_scale": 0.6, **settings},
    )
    sides = torch.tensor([[each.width, each.height] for each in windows], dtype=torch.float64)
    areas, ratios = sides.prod(1) / side**2, sides[:, 0] / sides[:, 1]
    if expected.kind == "whole":
        assert bool((sides == side).all())
    elif expected.kind == "random crop":
        assert bool((sides == crop).all())
        assert len({each.left for each in windows}) > min(side - crop, 20) / 2
    elif expected.kind == RRC:
        assert areas.min() == pytest.approx(0.08, abs=0.01)
        assert ratios.max() == pytest.approx(4 / 3, abs=0.03)
    elif expected.kind == "fastai":
        assert (side / sides).max() == pytest.approx(1.2, abs=0.02)
    elif expected.kind.startswith("shorter side"):
        resized = side * crop / sides[:, 0]
        levels = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
        assert resized.quantile(levels).tolist() == pytest.approx([352, 475.5, 599], abs=15)
    else:
        assert expected.kind == "not published"


@pytest.mark.parametrize("name", PAPERS)
def test_optimizers_and_schedules_equal_the_fact_sheet(name: str) -> None:
    model, _, trainer = parts(name)
    row = PAPERS[name]
    steps = row.length if row.images is None else epochs(row.length, row.batch, row.images)
    assert trainer["max_steps" if row.images is None else "max_epochs"] == row.length
    schedule = model.get("lr_scheduler")
    other = model.get("discriminator_lr_scheduler", schedule)
    found = {"optimizer": schedule, "discriminator_optimizer": other}
    wanted = {
        "optimizer": (row.optimizer, row.rates),
        "discriminator_optimizer": (row.discriminator, row.discriminator_rates or {}),
    }
    for kind, (expected, rates) in wanted.items():
        if expected is None:
            continue
        count = rate_count(found[kind])
        parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(count)]
        section = model.get(kind) or model["optimizer"]
        optimizer = loaded(section, parameters)
        defaults = optimizer.defaults
        betas = defaults.get("betas") or (defaults.get("rho") or defaults["momentum"],)
        assert (type(optimizer).__name__, defaults["lr"], tuple(betas)) == expected[:3]
        assert defaults["weight_decay"] == pytest.approx(expected[3], rel=1e-4)
        assert {at: rate_at(optimizer, found[kind], at, steps) for at in rates} == pytest.approx(
            rates, rel=0.03, abs=2e-8
        )


def rate_count(schedule: dict[str, Any] | None) -> int:
    """Return the number of parameter groups for which a schedule lists maximum rates."""
    top = ((schedule or {}).get("init_args") or {}).get("max_lr")
    return len(top) if isinstance(top, list) else 1


def rate_at(optimizer: Any, schedule: dict[str, Any] | None, step: int, steps: int) -> float:
    """Return the learning rate of the last parameter group before a step."""
    if schedule is None:
        return float(optimizer.param_groups[-1]["lr"])
    scheduler = loaded(schedule, optimizer)
    if getattr(scheduler, "total_steps", steps) is None:
        scheduler.total_steps = steps
    scheduler.last_epoch = min(step, steps)
    closed = getattr(scheduler, "_get_closed_form_lr", scheduler.get_lr)
    return float(closed()[-1])
