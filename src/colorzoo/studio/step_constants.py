"""Constants of the steps that the static page runs too, which its JavaScript reads from here."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from colorzoo.guidance import ColorReplacement, PaintStroke
from colorzoo.guidance.fields import MAX_REACH
from colorzoo.guidance.propagate import LEAST_VARIANCE, LEAST_WEIGHT, VARIANCE_SHARE
from colorzoo.inference.full_size import ANTIALIASED, BICUBIC, CUT, LONGEST
from colorzoo.inference.palette import PALETTE
from colorzoo.inference.steps.area_masks import MASKS
from colorzoo.inference.steps.areas import AREAS
from colorzoo.inference.steps.painting import PAINTING
from colorzoo.inference.steps.point_corrections import CORRECTIONS
from colorzoo.inference.steps.points import POINTS
from colorzoo.inference.steps.reach import REACH
from colorzoo.inference.steps.replacing import REPLACING
from colorzoo.studio.regions import NEW_POINT, REACH_STEPS, TINT, TINT_ALPHA


def step_constants() -> dict[str, dict[str, Any]]:
    """Return the constants by the name of the module that has them in Python and in JavaScript."""
    return {
        "points": asdict(POINTS),
        "reach": asdict(REACH) | {"largest": MAX_REACH},
        "propagate": {
            "variance_share": VARIANCE_SHARE,
            "least_variance": LEAST_VARIANCE,
            "least_weight": LEAST_WEIGHT,
        },
        "area_masks": asdict(MASKS),
        "areas": asdict(AREAS),
        "painting": asdict(PAINTING) | {"stroke": _defaults(PaintStroke, "size", "hardness", "opacity")},
        "replacing": asdict(REPLACING) | _defaults(ColorReplacement, "range", "fade"),
        "point_corrections": asdict(CORRECTIONS),
        "full_size": {"longest": LONGEST, "cut": CUT, "bicubic": BICUBIC, "antialiased": ANTIALIASED},
        "palette": asdict(PALETTE),
        "pad": {
            "new_point": NEW_POINT,
            "reach_steps": REACH_STEPS,
            "tint": TINT,
            "tint_alpha": TINT_ALPHA,
        },
    }


def _defaults(kind: Any, *names: str) -> dict[str, Any]:
    """Return the values of fields that a recipe leaves out."""
    return {field.name: field.default for field in fields(kind) if field.name in names}
