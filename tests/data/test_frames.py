"""Frames of clips from folders and video files, in order, with names and numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.data import FramesDataModule
from colorzoo.errors import ColorzooError, DataError


def frame(number: int) -> np.ndarray:
    """Return a frame whose gray level is ten times its number."""
    return np.full((32, 48, 3), 10 * number, dtype=np.uint8)


@pytest.fixture
def clips(tmp_path) -> Path:
    """Two folders of 5 and 3 frames and, between them, a video of 7."""
    av = pytest.importorskip("av")
    for name, count in (("a", 5), ("c", 3)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.fromarray(frame(number)).save(tmp_path / name / f"f{number + 8}.png")  # f8, f9, f10
    with av.open(str(tmp_path / "b.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(7):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(number), format="rgb24")))
        container.mux(stream.encode())
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_frames_come_in_order_with_names_and_numbers(clips, workers) -> None:
    module = FramesDataModule(str(clips), frames=3, num_workers=workers)
    module.setup("validate")
    batches = list(module.val_dataloader())
    assert [(batch["clip"], batch["frame"].tolist()) for batch in batches] == [
        ("a", [0, 1, 2]),
        ("a", [3, 4]),
        ("b", [0, 1, 2]),
        ("b", [3, 4, 5]),
        ("b", [6]),
        ("c", [0, 1, 2]),
    ]
    assert batches[1]["name"] == ["a/00003", "a/00004"]
    for batch in batches:
        assert batch["rgb"].shape[1:] == (3, 32, 48)
        levels = batch["rgb"].float().mean((1, 2, 3))
        assert (levels - 10 * batch["frame"]).abs().max() < 3  # the codec's loss
    ready = module.on_after_batch_transfer(batches[0], 0)
    assert ready["rgb"].max() <= 1


def test_missing_parts_are_named(clips, tmp_path, monkeypatch) -> None:
    with pytest.raises(DataError, match="for evaluation"):
        FramesDataModule(str(clips)).setup("fit")
    with pytest.raises(DataError, match="does not exist"):
        FramesDataModule(str(clips / "x")).setup("test")
    (clips / "empty").mkdir()
    with pytest.raises(DataError, match="no clip in"):
        FramesDataModule(str(clips / "empty")).setup("test")
    (clips / "b.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"cannot read the video .*b\.mp4"):
        FramesDataModule(str(clips)).setup("test")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ColorzooError, match=r"colorzoo\[video\]"):
        FramesDataModule(str(clips)).setup("test")
