"""Colors of an image before a person changes them."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.inference.canvas import Canvas, PhotoCanvas
from colorzoo.inference.edit import Edit
from colorzoo.inference.layers.sheets import Sheets


def predict(edit: Edit) -> Canvas:
    """Return the canvas of an image with the colors that the model predicts without points.

    The model runs when a layer, or the result, reads these colors. The regions of a drawing have colors of
    the palette and the variant of the recipe.
    """
    if edit.drawing is None:
        return PhotoCanvas(edit)
    from colorzoo.inference.drawing_canvas import DrawingCanvas  # photos do not need it

    return DrawingCanvas(edit)


def automatic_canvas(edit: Edit) -> Canvas:
    """Return the colors of an image without the hints of a person: the prediction and copied colors."""
    canvas = predict(replace(edit.without_hints(), detects_pages=False))
    for layer in Sheets.of(canvas.edit):
        canvas = layer.apply(canvas)
    return canvas
