"""int8 graphs for the CPU: weights and activations in 8 bits, by ONNX Runtime's static quantization.

Activation ranges are calibrated on photos of scikit-image, the same on every machine and in every run, so
nothing has to ship with a model. Models whose loss was not measured, or exceeds `MOST_LOSS`, are refused, and
so is a graph that loses as much on crops of these photos: a check of the weights at hand, on too few pictures
to measure by. Only coloring without guidance is quantized: a user's color may lie outside ranges that were
calibrated without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.engines.export import Graph, load_onnx
from colorzoo.engines.onnx import OnnxModel
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction
from colorzoo.registry import list_models, model_card

MOST_LOSS = 0.2
"""PSNR in dB that a quantized graph may lose."""

_LAYERS = ["Conv", "ConvTranspose"]  # which take most time; products of two maps have no ranges by channel
COLORED = ("astronaut", "chelsea", "coffee", "rocket")
GRAY = ("camera", "brick", "grass", "gravel")


class Int8Model(OnnxModel):
    """A model run in int8 by ONNX Runtime on the CPU, with nearly the same answers; without guidance.

    Args:
        model: See `OnnxModel`.
        name: See `OnnxModel`.

    Raises:
        ColorzooError: See `OnnxModel`; or the model paints sketches, loses too much, or was not measured.
    """

    def __init__(self, model: ColoringModel, name: str) -> None:
        if (model.input_kind, model.output_kind) != ("gray", "ab"):
            raise ColorzooError(f"{name} paints sketches, int8 is for photos; leave out the precision int8.")
        loss = model_card(name).int8_loss if name in list_models() else 0.0
        if loss is None:
            raise ColorzooError(
                f"the loss of {name} in int8 was not measured (`python -m benchmarks int8`); leave out the "
                "precision int8."
            )
        _check_loss(name, loss)
        super().__init__(model, name)
        import onnxruntime

        self._digest += f" int8 {onnxruntime.__version__}"

    def __call__(self, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Color a batch.

        Raises:
            GuidanceError: There is guidance that the model would use.
            ColorzooError: No graph can be made, or it loses too much.
        """
        if used := [kind for kind in guidance.kinds() if kind in self._model.accepts]:
            raise GuidanceError(
                f"int8 colors without guidance, got {' and '.join(used)}; leave out the precision int8."
            )
        return super().__call__(lightness, guidance)

    def _make(self, path: Path, given: Guidance) -> Path:
        """Write the graph in float32, quantize it, and compare both; see `__call__`."""
        plain = super()._make(path.with_name("float32.onnx"), given)
        side = self._model.working_size
        try:
            quantize(plain, path, (resized(calibration_photo(name), side) for name in (*COLORED, *GRAY)))
            crops = [resized(part, side) for name in COLORED for part in quarters(calibration_photo(name))]
            before, after = (mean_psnr(load_onnx(each, ["lightness"]), crops) for each in (plain, path))
        except OSError:
            raise
        except Exception as error:  # of the quantizer, or of the runtime with its graph
            raise ColorzooError(
                f"{self._name} gives no graph in int8 ({str(error).strip().splitlines()[-1][:200]}); leave "
                "out the precision int8."
            ) from error
        _check_loss(self._name, before - after)
        return path


def _check_loss(name: str, loss: float) -> None:
    if loss > MOST_LOSS:
        raise ColorzooError(
            f"{name} loses {loss:.2f} dB in int8, more than {MOST_LOSS}; leave out the precision int8."
        )


def quantize(plain: Path, out: Path, pictures: Iterable[Tensor]) -> None:
    """Write a graph in int8, with weights by channel and ranges of activations from pictures.

    Args:
        plain: A float32 graph with ``lightness`` as only input.
        out: File to write.
        pictures: ``(1, 3, H, W)`` in [0, 1].
    """
    from onnxruntime.quantization import quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = out.with_name("ready.onnx")
    quant_pre_process(plain, ready, skip_symbolic_shape=True)
    lightnesses = ({"lightness": rgb_to_lab(rgb)[:, :1].contiguous().numpy()} for rgb in pictures)
    reader = SimpleNamespace(get_next=partial(next, lightnesses, None))
    quantize_static(ready, out, reader, per_channel=True, op_types_to_quantize=_LAYERS)


def mean_psnr(graph: Graph, pictures: Iterable[Tensor]) -> float:
    """Return the mean PSNR in dB, over RGB, of a graph's colors for the lightness of pictures.

    Args:
        graph: With ``lightness`` as only input.
        pictures: ``(1, 3, H, W)`` in [0, 1].
    """
    found = []
    for rgb in pictures:
        lightness = rgb_to_lab(rgb)[:, :1]
        colored = lab_to_rgb(torch.cat([lightness, graph([lightness])["ab"]], dim=1)).clamp(0, 1)
        found.append(float(-10 * torch.log10((colored - rgb).square().mean())))
    return sum(found) / len(found)


def calibration_photo(name: str) -> Tensor:
    """Return a photo of scikit-image, ``(1, 3, H, W)`` in [0, 1]."""
    from skimage import data

    levels = np.atleast_3d(getattr(data, name)())
    rgb = np.broadcast_to(levels, (*levels.shape[:2], 3))
    return torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]


def resized(rgb: Tensor, side: int) -> Tensor:
    """Resize a picture so that its shorter side has ``side`` pixels."""
    height, width = rgb.shape[-2:]
    scale = side / min(height, width)
    size = (round(height * scale), round(width * scale))
    return F.interpolate(rgb, size, mode="bilinear", antialias=True)


def quarters(rgb: Tensor) -> Iterator[Tensor]:
    """Yield the quarters of pictures ``(B, 3, H, W)``, by rows."""
    for half in rgb.chunk(2, dim=-2):
        yield from half.chunk(2, dim=-1)
