"""Figure of examples for papers: input with color points, results of all methods, and ground truth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.errors import DataError
from colorzoo.evaluation.images import Item, Truth
from colorzoo.files import check_outputs, write_atomic
from colorzoo.guidance import Points

FIGURE_FORMATS = (".pdf", ".svg", ".png")
_CREATOR = "colorzoo evaluate --figure"  # in the metadata of the file
_SIDE = 1.4  # inches of an image
Mark = tuple[float, float, str]
"""Center of a color point as fractions of width and height, and its color as ``#rrggbb``."""
Example = tuple[Item, Truth, dict[str, tuple[Tensor, list[Mark]]]]
"""Image, ground truth, and RGB ``(1, 3, H, W)`` and points of each method by name."""


def point_marks(points: Points | None, lightness: Tensor) -> list[Mark]:
    """Return the color points of an image; points that touch are one mark.

    Args:
        points: Points of the image, or None.
        lightness: ``(1, 1, H, W)`` lightness in [0, 100], which determines the shown colors.
    """
    if points is None:
        return []
    labels, count = ndimage.label(points.mask[0, 0].cpu().numpy())
    rgb = lab_to_rgb(torch.cat([lightness, points.ab], dim=1))[0].clamp(0, 1).cpu().numpy()
    height, width = labels.shape
    marks = []
    for number in range(1, count + 1):
        row, column = (float(indices.mean() + 0.5) for indices in np.nonzero(labels == number))
        color = "".join(f"{round(255 * float(level)):02x}" for level in rgb[:, labels == number].mean(1))
        marks.append((column / width, row / height, f"#{color}"))
    return marks


def check_figure(file: Path, names: Sequence[str], items: Sequence[Item], folders: Sequence[Path]) -> None:
    """Validate the file and the examples of a figure before the evaluation.

    Raises:
        DataError: The format is unknown, the file exists and is no figure of `draw_examples`, the folder does
            not exist or must not be changed, or an example is not an evaluated image.
    """
    if file.suffix.lower() not in FIGURE_FORMATS:
        raise DataError(f"--figure must end with {', '.join(FIGURE_FORMATS)}, got {file.name!r}")
    check_outputs([file], folders=folders)
    if file.is_file() and _CREATOR.encode() not in file.read_bytes():
        raise DataError(f"{file} is not a figure of this command. Choose another file for --figure.")
    if not file.absolute().parent.is_dir():
        raise DataError(f"the folder of --figure does not exist: {str(file.parent)!r}")
    known = {item.name for item in items}
    if unknown := [name for name in names if name not in known]:
        raise DataError(f"--examples must list evaluated images, got {unknown[0]!r}")


def draw_examples(examples: Sequence[Example], file: Path) -> None:
    """Draw a row for each image: input with points, results of all methods, and ground truth.

    Points of users that react to results differ between methods. These points are drawn into the results.

    Args:
        examples: The images with their results; all have the same methods.
        file: Output file.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    methods = list(examples[0][2])
    titles = ["input", *methods, "truth"]
    options: dict[Any, Any] = {"font.size": 8, "pdf.fonttype": 42, "svg.hashsalt": "colorzoo"}
    with style.context(["default", options]):
        size = (_SIDE * len(titles), (_SIDE + 0.1) * len(examples) + 0.2)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(examples), len(titles), squeeze=False)
        for axes, (item, truth, results) in zip(grid, examples, strict=True):
            marks = [found for _, found in results.values() if found]
            is_equal = all(found == marks[0] for found in marks)
            gray = lab_to_rgb(torch.cat([truth.lab[:, :1], 0 * truth.ab], dim=1)).clamp(0, 1)
            shown = [(gray, marks[0] if marks and is_equal else [])]
            shown += [(rgb, [] if is_equal else found) for rgb, found in results.values()]
            for axis, (rgb, points) in zip(axes, [*shown, (truth.rgb, [])], strict=True):
                _draw_image(axis, rgb[0].permute(1, 2, 0).cpu().numpy(), points)
            axes[0].set_ylabel(item.name.replace("$", r"\$"), fontsize=5)
        for axis, title in zip(grid[0], titles, strict=True):
            axis.set_title(title.replace("$", r"\$"))
        # without dates, so that equal values give equal bytes
        about: dict[str, dict[str, Any]] = {
            ".pdf": {"Creator": _CREATOR, "CreationDate": None},
            ".svg": {"Creator": _CREATOR, "Date": None},
            ".png": {"Software": _CREATOR},
        }
        suffix, content = file.suffix.lower(), io.BytesIO()
        figure.savefig(content, format=suffix[1:], dpi=300, metadata=about[suffix])
        write_atomic(file, content.getbuffer())


def _draw_image(axis: Any, rgb: NDArray[np.float32], marks: Sequence[Mark]) -> None:
    height, width = rgb.shape[:2]
    axis.imshow(rgb, interpolation="none", extent=(0, width, height, 0))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    for x, y, color in marks:
        axis.scatter(x * width, y * height, s=16, color=color, edgecolors="white", linewidths=0.6)
