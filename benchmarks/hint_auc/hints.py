"""Write the hints of Hint-AUC for pairs of drawn lines and color images.

Usage: python benchmarks/hint_auc/hints.py DRAWINGS_VAL OUT

Run the script in an environment with hintauc 0.3.3, which pins earlier versions of astropy and NumPy. OUT
receives ``true/NAME.png``, the color images, and ``hints/NAME.npz`` with the drawn lines, and the colors and
masks of the dots at each hint ratio.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import cv2
import hintauc
import numpy as np
from hintauc.evaluate import hint_inputs

SIDE = 256  # longer side, as in `benchmarks drawings`


def main() -> None:
    """Write the color images and their hints."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in ("true", "hints"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    with (source / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file) if row["lines"] == "1"]
    for name in names:
        image: Any = cv2.imread(str(source / "images" / name))
        scale = SIDE / max(image.shape[:2])
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        lines = cv2.imread(str(source / "lines" / name), cv2.IMREAD_GRAYSCALE)
        lines = cv2.resize(lines, size, interpolation=cv2.INTER_AREA)
        # without a random tie break, unlike the default "filfinder"
        hints = hintauc.generate_hints(image, path_method="geodesic")
        dots = [hint_inputs(hints, ratio, "dot", size[1], size[0]) for ratio in hintauc.DEFAULT_ALPHAS]
        stem = Path(name).stem
        cv2.imwrite(str(out / "true" / f"{stem}.png"), image)
        np.savez_compressed(
            out / "hints" / f"{stem}.npz",
            lines=lines,
            ratios=np.array(hintauc.DEFAULT_ALPHAS),
            colors=np.stack([color[..., ::-1] for color, _ in dots]),
            masks=np.stack([mask for _, mask in dots]),
        )


if __name__ == "__main__":
    main()
