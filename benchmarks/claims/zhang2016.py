"""Zhang et al. 2016: rebalancing of rare colors and the annealed mean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.optim import AdamW

from benchmarks.claims._claim import Claim, Result, estimate_of_means, make_claim
from benchmarks.claims._experiment import MOST, Experiment, Item, Measure, Setup
from benchmarks.claims._images import evenly, find_classified, join_lab, make_judge, psnr_of, read_square
from colorzoo.color import rgb_to_lab
from colorzoo.data import FolderDataModule
from colorzoo.evaluation.statistics import Estimate
from colorzoo.factory import build_model, create_coloring_model
from colorzoo.metrics import AbAUC
from colorzoo.metrics.appearance import colorfulness
from colorzoo.model import ColoringModel
from colorzoo.training.initial_weights import load_initial_weights
from colorzoo.zoo.zhang2016.task import Zhang2016

PAPER = "zhang2016"
TITLE = "Zhang et al. 2016: Colorful Image Colorization"
STEPS, BATCH, CROP = 200, 16, 64
INTRO = f"""*Rebalancing* increases the loss weight of rare colors. `zhang2016_small` is trained twice from
equal initial weights, with and without rebalancing.

- **Training.** Each run has only {STEPS} steps. With [longer
  training](../../src/colorzoo/zoo/zhang2016/README.md#numbers), all four metrics change as in the paper.
- **Evaluation.** The evaluation follows table 1 of the paper. The *annealed mean* uses temperature 0.38, and
  the *mean* uses temperature 1.
- **Classifier.** EfficientNet-Lite0 replaces VGG-16."""
NAME = "zhang2016_small"
TEMPERATURE = 0.38  # the paper's
ARMS = {"rebalanced": 0.5, "plain": 1.0}
PHOTOS, COUNT = "photos/val", 24


def train(uniform: float, setup: Setup) -> ColoringModel:
    """Return the network trained with a weight of the uniform distribution; kept in the scratch folder."""
    steps = 2 if setup.quick else STEPS
    settings: dict[str, object] = {
        "width": 0.25,
        "uniform": uniform,
        "temperature": TEMPERATURE,
        "optimizer": partial(AdamW, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01),
    }
    model = build_model(Zhang2016, settings)
    path = setup.scratch / f"zhang2016-{uniform}-{steps}x{BATCH}x{CROP}.pt"
    if path.is_file():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval().model
    load_initial_weights(model, "zhang2017_local_small")
    seed_everything(0, verbose=False)
    folder = str(setup.data / "photos")
    images = FolderDataModule(
        folder, batch_size=BATCH, crop=CROP, resize=76, min_scale=0.7, num_workers=0, check=False
    )
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        limit_val_batches=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        gradient_clip_val=1.0,
    )
    trainer.fit(model, images)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return model.eval().model


def begin_rebalancing(setup: Setup) -> Measure:
    """Train both networks and return their measurement."""
    return partial(measure, {name: train(uniform, setup) for name, uniform in ARMS.items()}, setup.side)


def begin_temperature(setup: Setup) -> Measure:
    """Return the measurement of the shipped network at two temperatures."""
    temperatures = {"annealed": TEMPERATURE, "mean": 1.0}
    models = {name: create_coloring_model(NAME, temperature=value) for name, value in temperatures.items()}
    return partial(measure, models, setup.side)


@torch.inference_mode()
def measure(models: Mapping[str, ColoringModel], side: int, item: Item) -> Mapping[str, float]:
    """Return the numbers of table 1 of one image, and its colorfulness."""
    rgb = read_square(item.files[0], side)
    lab = rgb_to_lab(rgb)
    lightness, truth = lab[:, :1], lab[:, 1:]
    gray = psnr_of(lightness, torch.zeros_like(truth), rgb)
    found = {"true colorfulness": float(colorfulness(rgb))}
    for name, model in models.items():
        ab: Tensor = model(lightness).ab
        area = AbAUC()
        area.update(ab, truth)
        areas = area.compute()
        found |= {
            f"{name} psnr": psnr_of(lightness, ab, rgb) - gray,
            f"{name} colorfulness": float(colorfulness(join_lab(lightness, ab))),
            f"{name} auc": float(areas["auc"]),
            f"{name} rare": float(areas["auc_rebalanced"]),
            "weight of its colors": float(area.rebalanced.sum()),
        }
    return found


def begin_recognized(setup: Setup) -> Measure:
    """Return the measurement of what a classifier recognizes, at the temperature of the paper."""
    model, judge = create_coloring_model(NAME, temperature=TEMPERATURE), make_judge()

    @torch.inference_mode()
    def recognized(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], setup.side)
        lightness = rgb_to_lab(rgb)[:, :1]
        ab = model(lightness).ab
        shown = {
            "gray": join_lab(lightness, torch.zeros_like(ab)),
            "colored": join_lab(lightness, ab),
            "true": rgb,
        }
        found: dict[str, float] = {}
        for name, image in shown.items():
            found |= judge(name, image, item.payload)
        return found

    return recognized


REBALANCING = Experiment(
    "zhang2016-rebalancing",
    ("zhang2017_local_small",),  # the start of both
    PHOTOS,
    evenly(PHOTOS, COUNT, first=2, count=MOST),
    begin_rebalancing,
    f"{STEPS} steps of {BATCH} crops of {CROP}",
)
ANNEALED = Experiment(
    "zhang2016-temperature", (NAME,), PHOTOS, evenly(PHOTOS, COUNT, first=2, count=MOST), begin_temperature
)
RECOGNIZED = Experiment(
    "zhang2016-recognized", (NAME,), PHOTOS, find_classified, begin_recognized, f"temperature {TEMPERATURE}"
)
EXPERIMENTS = (REBALANCING, ANNEALED, RECOGNIZED)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the paper."""
    result, annealed, recognized = (results[each.name] for each in EXPERIMENTS)
    # the area under the curve is pooled over all pixels: each image counts by the weight of its colors
    weights = result.column("weight of its colors")
    pooled = [result.column(f"{name} rare") * weights for name in ARMS]
    rare = estimate_of_means([*pooled, weights], lambda means: (means[0] - means[1]) / means[2])
    auc, psnr = (result.gain(f"plain {name}", f"rebalanced {name}") for name in ("auc", "psnr"))
    colorful = colorfulness_gain(result, *ARMS)
    more_colorful = colorfulness_gain(annealed, "annealed", "mean")
    rows: tuple[tuple[str, Estimate, str, Result, str, float | None], ...] = (
        ("rebalancing raises colorfulness", colorful, "of the truth", result, "not found", None),
        ("rebalancing raises the AuC of rare colors", rare, "AuC", result, "+0.022", 0.673 - 0.651),
        ("rebalancing lowers AuC", auc, "AuC", result, "+0.021", 0.021),
        ("rebalancing lowers PSNR", psnr, "dB", result, "+2.47 dB", 2.47),
        (
            "the annealed mean is more colorful than the mean",
            more_colorful,
            "of the truth",
            annealed,
            "not found",
            None,
        ),
        (
            "a classifier recognizes colorized images better than gray images (top-1)",
            recognized.gain("colored top1", "gray top1"),
            "of images",
            recognized,
            "+0.033 (VGG-16)",
            0.560 - 0.527,
        ),
        (
            "a classifier recognizes colorized images better than gray images (top-5)",
            recognized.gain("colored top5", "gray top5"),
            "of images",
            recognized,
            "not found",
            None,
        ),
    )
    return [
        make_claim(text, ours, unit, origin, paper_number=number, stated=stated)
        for text, ours, unit, origin, number, stated in rows
    ]


def colorfulness_gain(result: Result, one: str, other: str) -> Estimate:
    """Return the gain in colorfulness as a fraction of the truth's, of means over images."""
    columns = [result.column(f"{name} colorfulness") for name in (one, other, "true")]
    return estimate_of_means(columns, lambda means: (means[0] - means[1]) / means[2])
