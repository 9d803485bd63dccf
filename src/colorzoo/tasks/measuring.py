"""Validation and test of every paper: color each batch in each setting, and measure by named metrics.

The metrics (`colorzoo.metrics.picture_metrics`) and the colors (`shown_colors`) are those of ``colorzoo
evaluate``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import MetricCollection

from colorzoo.card import InputKind
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.errors import DataError
from colorzoo.guidance import Guidance
from colorzoo.metrics.named import inputs_of, numbers_of, picture_metrics
from colorzoo.tasks.prediction import Prediction

MeasuredStage = Literal["val", "test"]

_WITH_TRUTH = frozenset({"rgb", "target", "ab", "target_ab"})
_WITH_EXEMPLAR = frozenset({"reference_rgb", "reference_ab"})
_WITH_LABELS = frozenset({"labels"})


def shown_colors(prediction: Prediction, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the colors of a prediction as they are measured.

    Args:
        prediction: What a model answers.
        seen: What it was shown: ``(B, 1, H, W)`` lightness or sketch.

    Returns:
        ``(B, 3, H, W)`` RGB within [0, 1] and ``(B, 2, H, W)`` ab in CIE units, both float32.
    """
    rgb = prediction.to_rgb(seen).float().clamp(0, 1)
    return rgb, prediction.to_ab().float()


class StageMetrics(nn.Module):
    """The metrics of a stage: the same collection for each setting.

    Args:
        stage: ``"val"`` or ``"test"``; begins the keys of the values.
        settings: Names of the settings; they end the keys.
        names: Of the metrics, see `colorzoo.metrics.named`.

    Raises:
        DataError: There is no such metric, or it needs what batches do not hold.
        WeightsError: The weights of a network are not here.
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
            given: What metrics ask for, by name. A metric of exemplars that is given none has no value here.

        Raises:
            DataError: A metric needs labels and there are none.
        """
        device = given["rgb"].device
        with torch.autocast(device.type, enabled=False):  # the windows of SSIM and networks want float32
            for name, metric in self._of(setting).items():
                missing = {key for key, needed in self.inputs[name].items() if needed} - given.keys()
                if missing & _WITH_LABELS:
                    raise DataError(f"the metric {name} needs classes of pictures, and the data has none")
                if not missing:
                    metric.update(**{key: given[key] for key in self.inputs[name] if key in given})

    def wanted(self) -> frozenset[str]:
        """Return the names of all that metrics ask for."""
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
        """Forget all pictures."""
        for setting in self.collections:
            self._of(setting).reset()

    def _of(self, setting: str) -> MetricCollection:
        return cast(MetricCollection, self.collections[setting])


def _require_known(name: str, inputs: Mapping[str, bool]) -> None:
    needed = {key for key, needed in inputs.items() if needed}
    if unknown := needed - _WITH_TRUTH - _WITH_EXEMPLAR - _WITH_LABELS:
        raise DataError(
            f"the metric {name} needs {' and '.join(sorted(unknown))}, which batches do not hold; "
            "docs/metrics.md says what measures it"
        )


class MeasuredModule(LightningModule):
    """Validation and test of a model that answers a `Prediction`.

    A paper says in which settings it is measured by `validation_settings`, and what is given in each by
    `validation_guidance` or, where that needs more than the truth, by `validation_guidances`.

    Attributes:
        validation_metrics: Names of what validation measures; change them on a class or a model at any time.
        test_metrics: Likewise for the test.
    """

    input_kind: InputKind = "gray"
    validation_metrics: tuple[str, ...] = ("psnr",)
    test_metrics: tuple[str, ...] = ("psnr", "ssim", "colorfulness")
    stage_metrics: nn.ModuleDict

    def configure_metrics(self) -> None:
        """Make room for the metrics, which are built when their stage begins."""
        self.stage_metrics = nn.ModuleDict()

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the settings in which validation and test color each picture."""
        return ("automatic",)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Return the guidance of one setting.

        Args:
            setting: One of `validation_settings`.
            lab: ``(B, 3, H, W)`` truth.
            seeds: ``(B,)``, so that a picture is always given the same hints.
        """
        del setting, lab, seeds
        return Guidance()

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterable[tuple[str, Guidance]]:
        """Return each setting with its guidance, in the order of `validation_settings`.

        Args:
            batch: The batch; models that read sketches find theirs in it.
            lab: ``(B, 3, H, W)`` truth.
        """
        for setting in self.validation_settings():
            yield setting, self.validation_guidance(setting, lab, batch["seed"])

    def measuring(self, stage: MeasuredStage) -> StageMetrics:
        """Return the metrics of a stage, built anew where their names have changed.

        Raises:
            DataError: There is no such metric, or it needs what batches do not hold.
            WeightsError: The weights of a network are not here.
        """
        names = tuple(self.validation_metrics if stage == "val" else self.test_metrics)
        if stage not in self.stage_metrics or self._built(stage).names != names:
            with torch.inference_mode(False):  # networks of inference tensors could not change their device
                built = StageMetrics(stage, self.validation_settings(), names)
            self.stage_metrics[stage] = built.to(self.device)
        return self._built(stage)

    def on_validation_epoch_start(self) -> None:
        """Begin to measure."""
        self.measuring("val").reset()

    def on_test_epoch_start(self) -> None:
        """Begin to measure."""
        self.measuring("test").reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Color the batch in every setting and measure it by `validation_metrics`."""
        del batch_idx
        self._measure("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Color the batch in every setting and measure it by `test_metrics`."""
        del batch_idx
        self._measure("test", batch)

    def on_validation_epoch_end(self) -> None:
        """Log what was measured as ``val/METRIC_SETTING``."""
        self._log_measured("val")

    def on_test_epoch_end(self) -> None:
        """Log what was measured as ``test/METRIC_SETTING``."""
        self._log_measured("test")

    def _built(self, stage: MeasuredStage) -> StageMetrics:
        return cast(StageMetrics, self.stage_metrics[stage])

    def _measure(self, stage: MeasuredStage, batch: Batch) -> None:
        metrics = self.measuring(stage)
        lab = rgb_to_lab(batch["rgb"])
        if self.input_kind == "sketch":
            batch = {**batch, "sketch": sketches_of(batch)}  # drawn once for all who ask
        seen = batch["sketch"] if self.input_kind == "sketch" else lab[:, :1]
        for setting, guidance in self.validation_guidances(batch, lab):
            prediction = cast(Prediction, self(seen, guidance))
            colors = shown_colors(prediction, seen)
            metrics.update(setting, picture_inputs(batch, lab, colors, guidance, metrics.wanted()))

    def _log_measured(self, stage: MeasuredStage) -> None:
        metrics = self.measuring(stage)
        # the values are the same in all processes already; sync_dist only keeps Lightning from warning
        self.log_dict(metrics.compute(), sync_dist=True)
        metrics.reset()


def picture_inputs(
    batch: Batch, lab: Tensor, colors: tuple[Tensor, Tensor], guidance: Guidance, wanted: frozenset[str]
) -> dict[str, Tensor]:
    """Return what metrics ask for of one batch in one setting.

    Args:
        batch: The batch.
        lab: ``(B, 3, H, W)`` its truth.
        colors: RGB and ab of the result, see `shown_colors`.
        guidance: What the result was made from.
        wanted: The names that some metric asks for.

    Returns:
        By name, only what is wanted and there; always ``rgb``.
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
