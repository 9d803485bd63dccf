"""Pictures for the training tests: generated, colorful, 48 pixels, different from each other."""

from pathlib import Path

import pytest
import torch
from harness import make_pictures

torch.set_num_threads(1)  # ddp_fork hangs in a parent that has run a threaded operation


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """11 training and 5 validation pictures: no multiple of any batch size or number of processes."""
    root = tmp_path_factory.mktemp("pictures")
    make_pictures(root / "train", 11)
    make_pictures(root / "val", 5, seed=1)
    return root
