"""Metrics of validation and test, the same as those of ``colorzoo evaluate``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError
from colorzoo.guidance import Guidance
from colorzoo.metrics.named import inputs_of, numbers_of, picture_metrics

MeasuredStage = Literal["val", "test"]

_WITH_TRUTH = frozenset({"rgb", "target", "ab", "target_ab"})
_WITH_EXEMPLAR = frozenset({"reference_rgb", "reference_ab"})
_WITH_LABELS = frozenset({"labels"})


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
        collection = picture_metrics(names)
        self.inputs = {name: inputs_of(metric) for name, metric in collection.items()}
        for name, inputs in self.inputs.items():
            _require_known(name, inputs)
        self.collections = nn.ModuleDict({setting: collection.clone() for setting in settings})

    def update(self, setting: str, given: Mapping[str, Tensor]) -> None:
        """Add pictures in one setting.

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
                    raise DataError(f"the metric {name} needs classes of pictures, and the data has none")
                if not missing:
                    metric.update(**{key: given[key] for key in self.inputs[name] if key in given})

    def wanted(self) -> frozenset[str]:
        """Return the names of the inputs of all metrics."""
        return frozenset(key for inputs in self.inputs.values() for key in inputs)

    def compute(self) -> dict[str, Tensor]:
        """Return the values over all pictures of all processes: ``val/psnr_10``, ``test/ssim_automatic`` ...

        NaN where no picture had a value. Every process must call this.
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


def picture_inputs(
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
