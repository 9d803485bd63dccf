"""Metrics of validation and test, the same as those of ``colorzoo evaluate``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from colorzoo.card import InputKind
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.errors import DataError
from colorzoo.guidance import Guidance
from colorzoo.metrics.named import image_metrics, inputs_of, numbers_of
from colorzoo.prediction import Prediction, shown_colors

MeasuredStage = Literal["val", "test"]

_WITH_TRUTH = frozenset({"rgb", "target", "ab", "target_ab"})
_WITH_EXEMPLAR = frozenset({"reference_rgb", "reference_ab"})
_WITH_LABELS = frozenset({"labels"})


class Measured(Protocol):
    """A task, as validation and test use it."""

    @property
    def input_kind(self) -> InputKind:
        """Input of the model: lightness or a sketch."""

    def __call__(self, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Color a batch."""

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterable[tuple[str, Guidance]]:
        """Return each setting with its guidance."""


class Measurement(nn.ModuleDict):
    """The metrics of validation and of test."""

    def of(
        self,
        stage: MeasuredStage,
        settings: Sequence[str],
        names: Sequence[str],
        device: torch.device,
    ) -> StageMetrics:
        """Return the metrics of a stage, rebuilt if their names have changed; see `StageMetrics`."""
        if stage not in self or cast(StageMetrics, self[stage]).names != tuple(names):
            with torch.inference_mode(False):  # networks of inference tensors could not change their device
                self[stage] = StageMetrics(stage, settings, names).to(device)
        return cast(StageMetrics, self[stage])


class StageMetrics(nn.Module):
    """The metrics of validation or test: the same collection for each setting.

    Args:
        stage: ``"val"`` or ``"test"``, the first part of the keys of the values.
        settings: Names of the settings, the last part of the keys.
        names: Names of the metrics, see `colorzoo.metrics.named`.

    Raises:
        DataError: There is no such metric, or batches do not hold what it needs.
        WeightsError: The weights of a metric's network are missing.
    """

    def __init__(self, stage: MeasuredStage, settings: Sequence[str], names: Sequence[str]) -> None:
        super().__init__()
        self.stage, self.names = stage, tuple(names)
        collection = image_metrics(names)
        self.inputs = {name: inputs_of(metric) for name, metric in collection.items()}
        for name, inputs in self.inputs.items():
            _require_known(name, inputs)
        self.collections = nn.ModuleDict({setting: collection.clone() for setting in settings})

    def measure(self, task: Measured, batch: Batch) -> None:
        """Color a batch in every setting and add the results.

        Raises:
            DataError: It is no batch of images, or a metric needs labels and there are none.
        """
        require_images(batch)
        lab = rgb_to_lab(batch["rgb"])
        if task.input_kind == "sketch":
            batch = {**batch, "sketch": sketches_of(batch)}  # drawn once for all settings
        seen = batch["sketch"] if task.input_kind == "sketch" else lab[:, :1]
        for setting, guidance in task.validation_guidances(batch, lab):
            colors = shown_colors(task(seen, guidance), seen)
            self.update(setting, image_inputs(batch, lab, colors, guidance, self.wanted()))

    def finish(self) -> dict[str, Tensor]:
        """Return the values as `compute` does, and reset all metrics."""
        values = self.compute()
        self.reset()
        return values

    def update(self, setting: str, given: Mapping[str, Tensor]) -> None:
        """Add images in one setting.

        Args:
            setting: Its name.
            given: Inputs of the metrics by name. A metric of exemplars is skipped if there is no exemplar.

        Raises:
            DataError: A metric needs labels and there are none.
        """
        device = given["rgb"].device
        with torch.autocast(device.type, enabled=False):  # the windows of SSIM and networks need float32
            for name, metric in self._of(setting).items():
                missing = {key for key, needed in self.inputs[name].items() if needed} - given.keys()
                if missing & _WITH_LABELS:
                    raise DataError(f"the metric {name} needs classes of images, and the data has none")
                if not missing:
                    metric.update(**{key: given[key] for key in self.inputs[name] if key in given})

    def wanted(self) -> frozenset[str]:
        """Return the names of the inputs of all metrics."""
        return frozenset(key for inputs in self.inputs.values() for key in inputs)

    def compute(self) -> dict[str, Tensor]:
        """Return the values over all images of all processes: ``val/psnr_10``, ``test/ssim_automatic`` ...

        NaN where no image had a value. Every process must call this.
        """
        values = {}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*was called before the ``update`` method.*")
            for setting in self.collections:
                for name, metric in self._of(setting).items():
                    for key, value in numbers_of(name, metric.compute()).items():
                        values[f"{self.stage}/{key}_{setting}"] = value.float()
        return values

    def reset(self) -> None:
        """Reset all metrics."""
        for setting in self.collections:
            self._of(setting).reset()

    def _of(self, setting: str) -> MetricCollection:
        return cast(MetricCollection, self.collections[setting])


def _require_known(name: str, inputs: Mapping[str, bool]) -> None:
    needed = {key for key, needed in inputs.items() if needed}
    if unknown := needed - _WITH_TRUTH - _WITH_EXEMPLAR - _WITH_LABELS:
        raise DataError(
            f"the metric {name} needs {' and '.join(sorted(unknown))}, which batches do not hold; "
            "docs/metrics.md lists the commands that measure it"
        )


def image_inputs(
    batch: Batch, lab: Tensor, colors: tuple[Tensor, Tensor], guidance: Guidance, wanted: frozenset[str]
) -> dict[str, Tensor]:
    """Return the inputs of metrics for one batch in one setting.

    Args:
        batch: The batch.
        lab: ``(B, 3, H, W)`` truth.
        colors: RGB and ab of the result, see `shown_colors`.
        guidance: The guidance of the result.
        wanted: Names of the inputs of the metrics.

    Returns:
        The available inputs among them by name, and ``rgb``.
    """
    found: dict[str, Callable[[], Tensor]] = {
        "rgb": lambda: colors[0],
        "target": lambda: batch["rgb"],
        "ab": lambda: colors[1],
        "target_ab": lambda: lab[:, 1:],
    }
    if "label" in batch:
        found["labels"] = lambda: batch["label"]
    if (exemplar := guidance.exemplar) is not None:
        found["reference_rgb"] = lambda: exemplar.rgb
        found["reference_ab"] = lambda: rgb_to_lab(exemplar.rgb)[:, 1:]
    return {key: make() for key, make in found.items() if key in wanted or key == "rgb"}


def require_images(batch: object) -> None:
    """Check that a batch is one of images.

    Raises:
        DataError: It is no mapping, or lacks images or seeds.
    """
    if isinstance(batch, Mapping) and {"rgb", "seed"} <= batch.keys():
        return
    keys = f"keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else ""
    raise DataError(
        "a batch must be a mapping with rgb, (B, 3, H, W) in [0, 1], and seed, (B,) whole numbers; the "
        f"DataModule gives {keys or type(batch).__name__} (docs/data.md)."
    )
