"""Models for `torch.hub`: ``torch.hub.load("OWNER/colorzoo", "colorzoo2026")`` returns a `ColoringModel`."""

import sys as _sys
from collections.abc import Callable as _Callable
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

_sys.path.insert(0, str(_Path(__file__).parent / "src"))  # the repository need not be installed

import colorzoo.registry as _registry

if _TYPE_CHECKING:
    from colorzoo import ColoringModel

# import names of the core dependencies in pyproject.toml
dependencies = ["torch", "torchvision", "lightning", "torchmetrics", "timm", "kornia", "matplotlib", "numpy"]
dependencies += ["scipy", "skimage", "PIL", "omegaconf", "jsonargparse", "rich", "pooch", "tifffile"]
dependencies += ["imagecodecs", "cv2", "lazy_loader"]


def _entry_point(name: str) -> "_Callable[..., ColoringModel]":
    """Return the function that ``torch.hub.load`` calls for a registered model."""

    def create(
        weights: str | None = "default", *, offline: bool = False, **settings: _Any
    ) -> "ColoringModel":
        from colorzoo.factory import create_coloring_model

        return create_coloring_model(name, weights, offline=offline, **settings)

    card = _registry.model_card(name)
    create.__name__ = name
    create.__doc__ = f"""{card.summary}

    Paper: {card.title} ({card.year}) {card.paper}

    Args:
        weights: "default", "published", None for random weights, or a path.
        offline: Whether to use only local files.
        **settings: Settings of the model, such as width=0.5.
    """
    return create


globals().update({name: _entry_point(name) for name in _registry.list_models()})
