"""Images for the training tests: generated, colorful, 48 pixels, different from each other."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import make_images


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """11 training and 5 validation images: no multiple of any batch size or number of processes."""
    root = tmp_path_factory.mktemp("images")
    make_images(root / "train", 11)
    make_images(root / "val", 5, seed=1)
    return root


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder outside the file system of temporary files, as on a cluster."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("this machine has one file system only")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)
