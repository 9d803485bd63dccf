"""Models on a GPU: training images per second and inference seconds per image, as Markdown tables.

Training runs Lightning on batches in memory. Models whose training requires missing weights (VGG-19, STEGO)
are listed without numbers. ``--device cpu --quick`` is a dry run.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks._common import Options, Row, SkippedError, times_faster
from colorzoo.factory import build_model, create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning

SIZES = (256, 512, 1024)
PRECISIONS = {
    "float32": ("32-true", False),
    "bf16": ("bf16-mixed", False),
    "bf16, compiled": ("bf16-mixed", True),
}


@dataclass(frozen=True)
class Plan:
    """Amount of work.

    Attributes:
        device: ``"cuda"`` or ``"cpu"``.
        names: Models.
        sizes: Sides at which images are colored.
        side: Side of the training crops in pixels.
        batch: Images of a training step.
        warmup: Steps that are not timed.
        steps: Steps that are timed.
    """

    device: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    side: int = 256
    batch: int = 16
    warmup: int = 8
    steps: int = 30


def run(options: Options) -> list[Row]:
    """Print both tables; return the speed-up of training over float32."""
    device = options.device or ("cuda" if torch.cuda.is_available() else "")
    if not device:
        raise SkippedError("no GPU here; --device cpu --quick is a dry run")
    trainable = (name for name in list_models() if model_card(name).trainable)
    full_size = tuple(name for name in trainable if not name.endswith("_small"))
    names = options.models or (("zhang2016", "xu2020") if options.quick else full_size)
    if unknown := set(names) - set(list_models()):
        raise SkippedError(f"no model {', '.join(sorted(unknown))}")
    plan = Plan(device, names, options.sizes or SIZES)
    if options.quick:
        plan = Plan(device, names, (64,), side=64, batch=2, warmup=1, steps=1)
    place = torch.cuda.get_device_name() if device == "cuda" else f"dry run on the {device}"
    print(f"\n{place}, torch {torch.__version__}; crops of {plan.side}, batches of {plan.batch}\n")
    rows = [row for name in names for row in training_rows(name, plan, place)]
    for name in names:
        print_coloring(name, plan)
    return rows


def training_rows(name: str, plan: Plan, place: str) -> list[Row]:
    """Train in each precision, print a line of the table, and return the speed-ups over float32."""
    rates: dict[str, float] = {}
    cells = []
    for way in PRECISIONS:
        try:
            rates[way] = train(name, way, plan)
            peak = torch.cuda.max_memory_allocated() / 1e9 if plan.device == "cuda" else float("nan")
            cells.append(f"{rates[way]:.1f}/s, {peak:.1f} GB")
        except Exception as error:  # out of memory, no weights, no compiler: others are still measured
            cells.append(f"none: {short(error)}")
        free_memory()
    print(f"| `{name}`, training | {' | '.join(cells)} |", flush=True)
    plain = rates.pop("float32", None)
    title = f"{name}, seconds an image in training"
    return [
        times_faster(f"{title}, {way} against float32", 1 / rate, 1 / plain, 1.0, place)
        for way, rate in rates.items()
        if plain
    ]


def train(name: str, way: str, plan: Plan) -> float:
    """Train with the settings of the card; return images per second after the warm-up."""
    precision, compiled = PRECISIONS[way]
    card = model_card(name)
    # pretrained backbones would be downloaded; they change no operation
    settings = {"pretrained": None} if name.startswith("kang2023") else {}
    model = build_model(load_task_class(card), {**card.hparams, **settings})
    model.allow_untrained = True
    clock = Clock(plan)
    batches = [sample_batch((plan.side, plan.side), batch=plan.batch)] * (plan.warmup + plan.steps)
    with TemporaryDirectory() as folder, silent_lightning():
        options: dict[str, Any] = {"precision": precision, "callbacks": [clock], "max_epochs": 1}
        accelerator = "gpu" if plan.device == "cuda" else plan.device
        trainer = quiet_trainer(folder, accelerator=accelerator, devices=1, **options)
        compiled_model: Any = torch.compile(model) if compiled else model
        trainer.fit(compiled_model, batch_loader(batches))
    return plan.steps * plan.batch / clock.seconds


class Clock(Callback):
    """Wall seconds of the steps after the warm-up."""

    def __init__(self, plan: Plan) -> None:
        self.seconds, self.plan = 0.0, plan

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock at the first timed step."""
        del trainer, pl_module, batch
        if batch_idx == self.plan.warmup:
            self.start = now(self.plan.device)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock after the device has finished."""
        del trainer, pl_module
        self.seconds = now(self.plan.device) - self.start


def print_coloring(name: str, plan: Plan) -> None:
    """Time an image at each size and print a line of the table."""
    card = model_card(name)
    kinds = [kind for kind in card.guidance if kind == "exemplar"]
    seconds: dict[int, float] = {}
    reason = ""
    try:
        colorizer = Colorizer(create_coloring_model(name, None), device=plan.device, allow_untrained=True)
        for side in plan.sizes:
            size = (side, side)
            call = partial(colorizer.predict, sample_input(card.input, size), sample_guidance(kinds, size))
            seconds[side] = median_seconds(call, plan)
        del colorizer, call
    except Exception as error:  # a size that does not fit; the smaller ones count
        reason = short(error)
    free_memory()
    cells = [f"{seconds[side]:.3f} s" if side in seconds else f"none: {reason}" for side in plan.sizes]
    print(f"| `{name}`, an image of {', '.join(map(str, plan.sizes))} | {' | '.join(cells)} |", flush=True)


def median_seconds(call: Callable[[], object], plan: Plan) -> float:
    """Return the median wall seconds of a call after the warm-up."""
    spent = []
    for _ in range(plan.warmup + min(plan.steps, 10)):
        start = now(plan.device)
        call()
        spent.append(now(plan.device) - start)
    return statistics.median(spent[plan.warmup :])


def now(device: str) -> float:
    """Return the time after all work of the device has finished."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def short(error: Exception) -> str:
    """Return the beginning of a message."""
    return " ".join(str(error).split())[:90] or type(error).__name__


def free_memory() -> None:
    """Free a model and its compiled code before the next model is measured."""
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
