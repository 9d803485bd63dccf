"""timm models for metrics: behind the size and normalization that they were trained with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import WeightsError
from colorzoo.weights import is_offline, load_state_dict_file


class TimmNetwork(nn.Module):
    """A timm model that takes RGB in [0, 1] of any size.

    Args:
        model: The model.
        config: Its data configuration, as timm resolves it.
        crop: Resize the shorter side and cut out the center, as classifiers are tested; by default the whole
            picture is resized to the model's size.

    Attributes:
        preprocessing: In short, size, crop and interpolation; it stays in the keys of metrics.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, model: nn.Module, config: dict[str, Any], *, crop: bool = False) -> None:
        super().__init__()
        self.model, self.side = model, int(config["input_size"][-1])
        known = crop and config["interpolation"] == "bilinear"
        self.mode = "bilinear" if known else "bicubic"
        self.share = float(config["crop_pct"]) if crop else None
        cut = f"-crop{self.share:g}" if crop else ""
        self.preprocessing = f"{self.side}{cut}-{self.mode}"
        self.register_buffer("center", torch.tensor(config["mean"]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(config["std"]).view(3, 1, 1))

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the answer to ``(B, 3, H, W)`` RGB in [0, 1]."""
        size = self._size(*rgb.shape[-2:])
        resized = F.interpolate(rgb, size=size, mode=self.mode, antialias=True).clamp(0, 1)
        top, left = ((side - self.side) // 2 for side in size)
        cut = resized[..., top : top + self.side, left : left + self.side]
        answer: Tensor = self.model((cut - self.center) / self.scale)
        return answer

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if self.share is None:
            return self.side, self.side
        factor = int(self.side / self.share) / min(height, width)
        return max(self.side, round(height * factor)), max(self.side, round(width * factor))


def timm_network(
    name: str, weights: Path | None = None, *, crop: bool = False, **options: Any
) -> TimmNetwork:
    """Build a timm model by name.

    Args:
        name: Of the model, with its tag if it has one.
        weights: Its weight file; by default timm fetches the published one once.
        crop: See `TimmNetwork`.
        options: For ``timm.create_model``, such as ``num_classes=0``.

    Raises:
        WeightsError: The weights are not here or do not fit, or no model has that name.
    """
    import timm

    if not timm.is_model(name):
        raise WeightsError(f"no network {name!r}; expected the name of a timm model")
    model = _fetched(name, options) if weights is None else _loaded(name, weights, options)
    return TimmNetwork(model, timm.data.resolve_model_data_config(model), crop=crop)


def _loaded(name: str, weights: Path, options: dict[str, Any]) -> Any:
    import timm

    model = timm.create_model(name, pretrained=False, **options)
    try:
        model.load_state_dict(load_state_dict_file(weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{weights} does not fit {name} {_in_words(options)}: {reason}") from error
    return model


def _in_words(options: dict[str, Any]) -> str:
    return "without its classifier" if options.get("num_classes") == 0 else "with its classifier"


def _fetched(name: str, options: dict[str, Any]) -> Any:
    import timm

    if is_offline():
        raise WeightsError(
            f"the weights of {name} are timm's to fetch and COLORZOO_OFFLINE is set; give a weight file"
        )
    print(f"colorzoo: timm fetches the weights of {name} unless it has them", file=sys.stderr)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError) as error:  # the hub's errors are OSErrors
        raise WeightsError(f"cannot fetch the weights of {name} ({error}); give a weight file") from error
