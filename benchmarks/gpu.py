"""Full-size models on a GPU: pictures a second in training, and seconds a picture, as tables in Markdown.

One call on a machine with a GPU prints what ``docs/performance.md`` waits for. Training is a real one by
Lightning on batches that lie in memory, so that no disk is measured. A model that needs the weights of
others to train (VGG-19, STEGO), and does not find them on this machine, is named and left out.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks._harness import Options, Row, SkippedError, times_faster
from colorzoo import Guidance, create_model
from colorzoo.factory import build_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.registry import list_models, load_class, model_card
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning

TABLE = {256: 0.20, 512: 0.38, 1024: 1.15}
"""Seconds a pair by Xu et al. 2020, table 1, on another GPU than this one."""
WAYS = {"float32": ("32-true", False), "bf16": ("bf16-mixed", False), "bf16, compiled": ("bf16-mixed", True)}
PRETRAINED: dict[str, dict[str, object]] = {
    "kang2023": {"pretrained": None},
    "kang2023_tiny": {"pretrained": None},
}
"""Settings without which training would begin by fetching weights; they change no operation."""

REHEARSED = ("zhang2016", "xu2020")


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        device: ``"cuda"``, or ``"cpu"`` to rehearse.
        names: Of the models.
        side: Of the training crops, in pixels.
        batch: Pictures of a training step.
        warmup: Steps before the clock starts: the kernels are chosen or built in them.
        steps: Steps that are timed.
        sizes: Sides at which pictures are colored.
    """

    device: str
    names: tuple[str, ...]
    side: int = 256
    batch: int = 16
    warmup: int = 8
    steps: int = 30
    sizes: tuple[int, ...] = tuple(TABLE)


@dataclass(frozen=True)
class Speed:
    """What a training showed: pictures a second, and the peak of the GPU's memory in GB."""

    rate: float
    memory: float


def run(options: Options) -> list[Row]:
    """Print both tables, and return how much faster than float32, and than the paper's table, we are."""
    plan = plan_of(options)
    place = torch.cuda.get_device_name() if plan.device == "cuda" else f"rehearsal on the {plan.device}"
    print(f"\n{place}, torch {torch.__version__}; crops of {plan.side}, batches of {plan.batch}\n")
    rows = [row for name in plan.names for row in _trained(name, plan, place)]
    return rows + [row for name in plan.names for row in _colored(name, plan, place)]


def plan_of(options: Options) -> Plan:
    """Return what to measure.

    Raises:
        SkippedError: There is no GPU, and no other device was named; or there is no such model.
    """
    device = options.device or ("cuda" if torch.cuda.is_available() else "")
    if not device:
        raise SkippedError("no GPU here; --device cpu --quick rehearses it")
    names = options.models or (REHEARSED if options.quick else full_size())
    if unknown := set(names) - set(list_models()):
        raise SkippedError(f"no model {', '.join(sorted(unknown))}")
    sizes = options.sizes or tuple(TABLE)
    if options.quick:
        return Plan(device, names, side=64, batch=2, warmup=1, steps=1, sizes=(64,))
    return Plan(device, names, sizes=sizes)


def full_size() -> tuple[str, ...]:
    """Return the trainable models that are no small variants."""
    return tuple(name for name in list_models() if not name.endswith("_small") and model_card(name).trainable)


def _trained(name: str, plan: Plan, place: str) -> list[Row]:
    """Train in each way, print the model's line, and return its gains."""
    found: dict[str, Speed | str] = {}
    for way in WAYS:
        try:
            found[way] = train(name, way, plan)
        except Exception as error:  # no memory, no weights, no compiler: the others shall not suffer
            found[way] = " ".join(str(error).split())[:90] or type(error).__name__
        _clear()
    cells = [
        f"{each.rate:.1f}/s, {each.memory:.1f} GB" if isinstance(each, Speed) else f"none: {each}"
        for each in found.values()
    ]
    print(f"| `{name}`, training | {' | '.join(cells)} |", flush=True)
    plain = found["float32"]
    return [
        times_faster(f"{name}, seconds a picture in training, {way} against float32", 1 / each.rate,
                     1 / plain.rate, 1.0, place)
        for way, each in found.items()
        if way != "float32" and isinstance(each, Speed) and isinstance(plain, Speed)
    ]  # fmt: skip


def train(name: str, way: str, plan: Plan) -> Speed:
    """Train some steps, and say how fast the later ones were.

    Args:
        name: Registered model, with the settings of its card.
        way: One of `WAYS`.
        plan: How much.
    """
    precision, compiled = WAYS[way]
    card = model_card(name)
    model = build_model(load_class(card), {**card.hparams, **PRETRAINED.get(name, {})})
    model.allow_untrained = True
    clock = Clock(plan)
    batches = [sample_batch((plan.side, plan.side), batch=plan.batch)] * (plan.warmup + plan.steps)
    with TemporaryDirectory() as folder, silent_lightning():
        options: dict[str, Any] = {"precision": precision, "callbacks": [clock], "max_epochs": 1}
        trainer = quiet_trainer(
            folder, accelerator="gpu" if plan.device == "cuda" else plan.device, devices=1, **options
        )
        trainer.fit(torch.compile(model) if compiled else model, batch_loader(batches))
    return Speed(plan.steps * plan.batch / clock.seconds, _peak(plan.device))


class Clock(Callback):
    """Measures the seconds of the steps after the warm-up, on the wall.

    Attributes:
        seconds: Of all of them, once training has ended.
    """

    def __init__(self, plan: Plan) -> None:
        self.seconds, self._plan = 0.0, plan

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start with the first step that counts."""
        del trainer, pl_module, batch
        if batch_idx == self._plan.warmup:
            _wait(self._plan.device)
            self._start = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop once the device has done all."""
        del trainer, pl_module
        _wait(self._plan.device)
        self.seconds = time.perf_counter() - self._start


def _colored(name: str, plan: Plan, place: str) -> list[Row]:
    """Time a picture at each size, print the model's line, and hold xu2020 beside its paper."""
    spent: dict[int, float] = {}
    reason = ""
    try:
        colorizer = Colorizer(create_model(name, None), device=plan.device, allow_untrained=True)
        for side in plan.sizes:
            spent[side] = median_seconds(partial(colorizer.predict, *_input(name, side)), plan)
    except Exception as error:  # a size that does not fit, say: those before it count
        reason = " ".join(str(error).split())[:90] or type(error).__name__
    with suppress(UnboundLocalError):
        del colorizer
    _clear()
    cells = [f"{spent[side]:.3f} s" if side in spent else f"none: {reason}" for side in plan.sizes]
    print(f"| `{name}`, a picture of {', '.join(map(str, plan.sizes))} | {' | '.join(cells)} |", flush=True)
    return [
        times_faster(f"xu2020 at {side}, seconds a pair beside the paper's table 1 (another GPU)", seconds,
                     TABLE[side], 1.0, place)
        for side, seconds in spent.items()
        if name == "xu2020" and side in TABLE
    ]  # fmt: skip


def _input(name: str, side: int) -> tuple[torch.Tensor, Guidance]:
    """Return what a model is given: a reference where it needs one, else nothing."""
    card = model_card(name)
    kinds = [kind for kind in card.guidance if kind == "exemplar"]
    return sample_input(card.input, (side, side)), sample_guidance(kinds, (side, side))


def median_seconds(call: Callable[[], object], plan: Plan) -> float:
    """Return the median wall seconds of a call, after the plan's warm-up."""
    spent = []
    for _ in range(plan.warmup + min(plan.steps, 10)):
        _wait(plan.device)
        start = time.perf_counter()
        call()
        _wait(plan.device)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent[plan.warmup :])


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else float("nan")


def _clear() -> None:
    """Forget the model and what was compiled for it, so that the next one is measured alone."""
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
