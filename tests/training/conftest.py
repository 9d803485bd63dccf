"""Pictures for the training tests: generated, colorful, 48 pixels, different from each other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)  # ddp_fork hangs in a parent that has run a threaded operation


def make_pictures(folder: Path, count: int, *, side: int = 48, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(
            folder / f"p{index:02d}.png"
        )
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """11 training and 5 validation pictures: no multiple of any batch size or number of processes."""
    root = tmp_path_factory.mktemp("pictures")
    make_pictures(root / "train", 11)
    make_pictures(root / "val", 5, seed=1)
    return root
