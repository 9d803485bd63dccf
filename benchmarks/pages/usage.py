"""Three lines that use a model, from its card."""

from __future__ import annotations

from collections.abc import Mapping

from colorzoo.card import ModelCard

# What a user gives to a model, the kind that sets it apart first.
GIVEN: Mapping[str, str] = {
    "scribbles": 'guidance = {"scribbles": [{"path": [[60, 40], [95, 70]], "width": 5}]}',
    "boxes": 'guidance = {"boxes": [{"x": 20, "y": 20, "width": 80, "height": 90}]}',
    "regions": 'guidance = {"regions": [{"index": 0, "color": "#ffd0b0"}]}',
    "exemplar": 'reference="look.jpg"',
    "statistics": 'guidance = {"statistics": {"saturation": 0.4}}',
    "points": 'guidance = {"points": [{"x": 60, "y": 40, "color": "#c04020"}]}',
}


def usage(card: ModelCard) -> str:
    """Return a few lines of Python; a model without weights anywhere needs a file of the user's."""
    given = next((line for kind, line in GIVEN.items() if kind in card.guidance), "")
    weights = 'weights="mine.safetensors"' if card.trainable and not card.weights else ""
    source = "sketch.png" if card.input == "sketch" else "photo.jpg"
    drawn = given.startswith("guidance")
    parts = (f'"{source}"', f'"{card.name}"', "guidance" if drawn else "", weights, "" if drawn else given)
    lines = [given] if drawn else []
    lines.append(f"picture = colorzoo.colorize({', '.join(part for part in parts if part)})")
    lines.append(f'picture.save("{source.partition(".")[0]}.color.png")')
    return "\n".join(["import colorzoo", "", *lines])
