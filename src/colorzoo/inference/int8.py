"""Graphs in int8 for the CPU: weights and maps in 8 bits, by ONNX Runtime's static quantization.

The ranges of the maps come from photos that scikit-image brings along, so that they are the same on every
machine and in every run, and nothing has to be shipped with a model. Models whose loss was
not measured, or is more than `MOST_LOSS`, are refused, and so is a graph that loses as much on parts of these
photos, seen closer: a check for the weights at hand, on too few pictures to measure by. Coloring without
guidance alone is quantized: a color that a user gives may lie outside ranges that were found without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import ModelCard
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Guidance
from colorzoo.inference.engine import OnnxModel
from colorzoo.inference.export import Graph, load_onnx
from colorzoo.registry import list_models, model_card
from colorzoo.tasks import ColoringModel, Prediction

MOST_LOSS = 0.2
"""PSNR in dB that a quantized graph may lose."""

_METHOD = 1  # of choosing ranges; a change makes kept graphs outdated
_LAYERS = ["Conv", "ConvTranspose"]  # where the time goes; products of two maps have no ranges by channel
_COLORED = ("astronaut", "chelsea", "coffee", "rocket")
_GRAY = ("camera", "brick", "grass", "gravel")


class Int8Model(OnnxModel):
    """Answers nearly as the model does, in int8 by ONNX Runtime on the CPU; only without guidance.

    Args:
        model: See `OnnxModel`.
        name: See `OnnxModel`.

    Raises:
        ColorzooError: See `OnnxModel`; or the model paints sketches, loses too much, or was not measured.
    """

    def __init__(self, model: ColoringModel, name: str) -> None:
        if (model.input_kind, model.output_kind) != ("gray", "ab"):
            raise ColorzooError(f"{name} paints sketches, int8 is for photos; leave out the precision int8.")
        if name in list_models():
            _require_measured(model_card(name))
        super().__init__(model, name)
        import onnxruntime

        self._digest += f" int8 {_METHOD} {onnxruntime.__version__}"

    def __call__(self, luma: Tensor, guidance: Guidance) -> Prediction:
        """Color a batch.

        Raises:
            GuidanceError: There is guidance that the model would use.
            ColorzooError: No graph can be made, or it loses too much.
        """
        if used := [kind for kind in guidance.kinds() if kind in self._model.accepts]:
            raise GuidanceError(
                f"int8 colors without guidance, got {' and '.join(used)}; leave out the precision int8."
            )
        return super().__call__(luma, guidance)

    def _make(self, path: Path, given: Guidance) -> Path:
        """Write the graph in float32, quantize it, and compare both; see `__call__`."""
        plain = super()._make(path.with_name("float32.onnx"), given)
        side = self._model.working_size
        try:
            quantize(plain, path, (_resized(_photo(name), side) for name in (*_COLORED, *_GRAY)))
            closer = [_resized(part, side) for name in _COLORED for part in _quarters(_photo(name))]
            before, after = (mean_psnr(load_onnx(each, ["luma"]), closer) for each in (plain, path))
        except OSError:
            raise
        except Exception as error:  # of the quantizer, or of the runtime over what it made
            raise ColorzooError(
                f"{self._name} gives no graph in int8 ({str(error).strip().splitlines()[-1][:200]}); leave "
                "out the precision int8."
            ) from error
        if before - after > MOST_LOSS:
            raise ColorzooError(
                f"{self._name} loses {before - after:.2f} dB in int8, more than {MOST_LOSS}; leave out the "
                "precision int8."
            )
        return path


def _require_measured(card: ModelCard) -> None:
    if card.int8_loss is None:
        raise ColorzooError(
            f"it was not measured what {card.name} loses in int8 (`python -m benchmarks int8`); leave out "
            "the precision int8."
        )
    if card.int8_loss > MOST_LOSS:
        raise ColorzooError(
            f"{card.name} loses {card.int8_loss:.2f} dB in int8, more than {MOST_LOSS}; leave out the "
            "precision int8."
        )


def quantize(plain: Path, out: Path, pictures: Iterable[Tensor]) -> None:
    """Write a graph in int8: weights by channel, ranges of maps from pictures.

    Args:
        plain: A float32 graph whose one input is ``luma``.
        out: File to write.
        pictures: ``(1, 3, H, W)`` in [0, 1].
    """
    from onnxruntime.quantization import quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = out.with_name("ready.onnx")
    quant_pre_process(plain, ready, skip_symbolic_shape=True)
    quantize_static(ready, out, _Ranges(pictures), per_channel=True, op_types_to_quantize=_LAYERS)


class _Ranges:
    """Hands the quantizer the lightness of pictures."""

    def __init__(self, pictures: Iterable[Tensor]) -> None:
        lumas = ({"luma": rgb_to_lab(rgb)[:, :1].contiguous().numpy()} for rgb in pictures)
        self.get_next = partial(next, lumas, None)


def mean_psnr(graph: Graph, pictures: Iterable[Tensor]) -> float:
    """Return the mean PSNR in dB, over RGB, of what a graph makes of the lightness of pictures.

    Args:
        graph: Its one input is ``luma``.
        pictures: ``(1, 3, H, W)`` in [0, 1].
    """
    found = []
    for rgb in pictures:
        luma = rgb_to_lab(rgb)[:, :1]
        made = lab_to_rgb(torch.cat([luma, graph([luma])["ab"]], dim=1)).clamp(0, 1)
        found.append(float(-10 * torch.log10((made - rgb).square().mean())))
    return sum(found) / len(found)


def _photo(name: str) -> Tensor:
    """Return one of scikit-image's photos, ``(1, 3, H, W)`` in [0, 1]."""
    from skimage import data

    levels = np.atleast_3d(getattr(data, name)())
    rgb = np.broadcast_to(levels, (*levels.shape[:2], 3))
    return torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]


def _resized(rgb: Tensor, side: int) -> Tensor:
    """Return a picture whose shorter side is ``side`` pixels, as a network sees it."""
    height, width = rgb.shape[-2:]
    scale = side / min(height, width)
    size = (round(height * scale), round(width * scale))
    return F.interpolate(rgb, size, mode="bilinear", antialias=True)


def _quarters(rgb: Tensor) -> Iterator[Tensor]:
    for half in rgb.chunk(2, dim=-2):
        yield from half.chunk(2, dim=-1)
