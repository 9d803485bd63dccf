"""Metrics for validation and test, identical to the metrics of ``colorzoo evaluate``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError
from colorzoo.guidance import Guidance
from colorzoo.metrics.named import METRIC_INPUTS, image_metrics, inputs_of, numbers_of

MetricStage = Literal["val", "test"]

_AVAILABLE_INPUTS = METRIC_INPUTS - {"edges", "truths"}


class StageMetrics(nn.Module):
    """Validation or test metrics, with one copy for each guidance setting.

    Args:
        stage: ``"val"`` or ``"test"``: the prefix of logged names such as ``val/psnr_10``.
        settings: Names of the guidance settings, such as ``10`` for ten hints: the suffixes of logged names.
        names: Names of the metrics; see `colorzoo.metrics.named`.

    Raises:
        DataError: A metric is unknown or requires inputs that batches do not contain.
        WeightsError: The weights of a metric's network are missing.
    """

    def __init__(self, stage: MetricStage, settings: Sequence[str], names: Sequence[str]) -> None:
        super().__init__()
        self.stage, self.names = stage, tuple(names)
        collection = image_metrics(names)
        self.inputs = {name: inputs_of(metric) for name, metric in collection.items()}
        for name, inputs in self.inputs.items():
            if unavailable := sorted(_required(inputs) - _AVAILABLE_INPUTS):
                raise DataError(
                    f"the metric {name} requires {' and '.join(unavailable)}, which training batches do not "
                    "contain. See docs/metrics.md for the commands that compute this metric."
                )
            if collection[name].state_dict():
                raise DataError(
                    f"the metric {name} contains a network, which checkpoints would store. Compute it "
                    "with `colorzoo evaluate`."
                )
        self.collections = nn.ModuleDict({setting: collection.clone() for setting in settings})

    def update(self, setting: str, inputs: Mapping[str, Tensor]) -> None:
        """Update the metrics of a guidance setting with a batch.

        Args:
            setting: Name of the guidance setting.
            inputs: Tensors by the argument name of the metrics; see `metric_inputs`. Metrics that compare
                with an exemplar are skipped if ``inputs`` contains no exemplar.

        Raises:
            DataError: A metric requires labels, but ``inputs`` contains no labels.
        """
        device = inputs["rgb"].device
        with torch.autocast(device.type, enabled=False):  # SSIM and feature networks require float32
            for name, metric in self._metrics(setting).items():
                missing = _required(self.inputs[name]) - inputs.keys()
                if "labels" in missing:
                    raise DataError(f"the metric {name} requires image classes. Set --data.labels true.")
                if not missing:  # otherwise, the guidance contains no exemplar
                    metric.update(**{key: inputs[key] for key in self.inputs[name] if key in inputs})

    def used_inputs(self) -> frozenset[str]:
        """Return the argument names of all metrics, such as ``rgb`` and ``target``."""
        return frozenset(key for inputs in self.inputs.values() for key in inputs)

    def compute(self) -> dict[str, Tensor]:
        """Return a dict that maps logged names, such as ``val/psnr_10``, to metric values.

        A value covers the images of all processes. It is NaN if the metric was not updated with any image.
        All processes must call this method together.
        """
        values = {}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*was called before the ``update`` method.*")
            for setting in self.collections:
                for name, metric in self._metrics(setting).items():
                    for key, value in numbers_of(name, metric.compute()).items():
                        values[f"{self.stage}/{key}_{setting}"] = value.float()
        return values

    def reset(self) -> None:
        """Reset all metrics."""
        for setting in self.collections:
            self._metrics(setting).reset()

    def _metrics(self, setting: str) -> MetricCollection:
        return cast(MetricCollection, self.collections[setting])


def _required(inputs: Mapping[str, bool]) -> set[str]:
    return {name for name, is_required in inputs.items() if is_required}


def metric_inputs(
    batch: Batch, lab: Tensor, colors: tuple[Tensor, Tensor], guidance: Guidance, used: frozenset[str]
) -> dict[str, Tensor]:
    """Return the tensors that metrics can require for a colorized batch.

    Args:
        batch: Batch with the ground truth.
        lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
        colors: RGB ``(B, 3, H, W)`` in [0, 1] and ab ``(B, 2, H, W)`` in CIE units of the prediction; see
            `clip_colors`.
        guidance: Guidance that was used for the prediction.
        used: Argument names of the metrics; see `StageMetrics.used_inputs`.

    Returns:
        A dict of tensors by argument name; see `METRIC_INPUTS`. ``labels`` and references are present only if
        the batch or the guidance contains them.
    """
    predicted_rgb, predicted_ab = colors
    inputs = {
        "rgb": predicted_rgb,
        "preds": predicted_rgb,  # the name of the same image in torchmetrics
        "target": batch["rgb"],
        "ab": predicted_ab,
        "target_ab": lab[:, 1:],
    }
    if "label" in batch:
        inputs["labels"] = batch["label"]
    if guidance.exemplar is not None:
        inputs["reference_rgb"] = guidance.exemplar.rgb
        if "reference_ab" in used:  # the conversion to Lab takes time
            inputs["reference_ab"] = rgb_to_lab(guidance.exemplar.rgb)[:, 1:]
    return inputs


def require_images(batch: object) -> None:
    """Raise `DataError` unless a batch is a mapping with float32 images and int64 seeds."""
    if not isinstance(batch, Mapping) or not {"rgb", "seed"} <= batch.keys():
        found = type(batch).__name__ if not isinstance(batch, Mapping) else f"keys {', '.join(batch)}"
        raise DataError(
            f"a batch must be a dictionary with the keys 'rgb' and 'seed', got {found}. See docs/data.md "
            "for an example."
        )
    rgb, seed = batch["rgb"], batch["seed"]
    if not isinstance(rgb, Tensor) or rgb.ndim != 4 or rgb.shape[1] != 3 or rgb.dtype != torch.float32:
        raise DataError(f"batch['rgb'] must be float32 (B, 3, H, W) in [0, 1], got {_described(rgb)}")
    if not isinstance(seed, Tensor) or seed.dtype != torch.int64 or seed.shape != rgb.shape[:1]:
        raise DataError(f"batch['seed'] must be int64 ({len(rgb)},), got {_described(seed)}")


def _described(value: object) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
