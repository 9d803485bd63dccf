"""A small folder of generated images, and its shards."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import colorful, optimize_in_process


@pytest.fixture(scope="session")
def classes_folder(tmp_path_factory) -> Path:
    """41 training and 5 validation images in three classes, a broken image and a gray image."""
    root = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    for split, count in (("train", 41), ("val", 5)):
        for index in range(count):
            folder = root / split / f"c{index % 3}"
            folder.mkdir(parents=True, exist_ok=True)
            suffix = "png" if index % 2 else "jpg"
            colorful(rng, (40 + index, 48)).save(folder / f"{index:03d}.{suffix}")
    (root / "train" / "c0" / "bad.jpg").write_bytes(b"no image")
    Image.new("RGB", (50, 50), (9, 9, 9)).save(root / "train" / "c1" / "gray.png")
    return root


@pytest.fixture(scope="session")
def shards(classes_folder, tmp_path_factory) -> Path:
    pytest.importorskip("litdata")
    from colorzoo.data.shards import ShardOptions, shard_folder

    out = tmp_path_factory.mktemp("shards") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("litdata.optimize", optimize_in_process)
        shard_folder(classes_folder, out, ShardOptions(short_side=32, chunk=6))
    return out
