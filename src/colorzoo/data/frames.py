"""`FramesDataModule`: frames of video clips in order, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.decode import decode_rgb
from colorzoo.data.loader import ResumableDataLoader, SeededSampler
from colorzoo.data.module import ImageDataModule
from colorzoo.data.originals import Originals, find_originals
from colorzoo.data.sources import EXTENSIONS
from colorzoo.errors import DataError
from colorzoo.image_io.find import VIDEO_EXTENSIONS, visible_entries
from colorzoo.image_io.video_stream import frame_to_rgb, import_av, main_video_stream
from colorzoo.settings import NonNegativeInt, PositiveInt


class FrameBatch(TypedDict):
    """Consecutive frames of one clip.

    Attributes:
        rgb: ``(B, 3, H, W)`` at the size of the clip: uint8 from the workers, float32 in [0, 1] after the
            transfer to the device.
        seed: ``(B,)`` int64: seed of the random numbers of each frame.
        name: Names of the frames, ``CLIP/00012``.
        clip: Name of the clip.
        frame: ``(B,)`` int64: frame numbers in the clip, from 0.
    """

    rgb: Tensor
    seed: Tensor
    name: list[str]
    clip: str
    frame: Tensor


class FolderClip:
    """A folder of images as a clip, in natural name order.

    Args:
        folder: The folder.
        short_side: Shorter side in pixels after resizing; None keeps the size.
    """

    def __init__(self, folder: Path, short_side: int | None) -> None:
        self.name, self._short_side = folder.name, short_side
        self._files = [path for path in visible_entries(folder) if path.suffix.lower() in EXTENSIONS]
        self.length = len(self._files)

    def read(self, start: int, stop: int) -> list[Tensor]:
        """Return the frames ``start`` to ``stop`` (exclusive), each ``(3, H, W)`` uint8."""
        return [decode_rgb(path.read_bytes(), self._short_side) for path in self._files[start:stop]]


class FileClip:
    """A video file as a clip; sequential reads are fast.

    Args:
        file: The file.
        short_side: Shorter side in pixels after resizing; None keeps the size.

    Raises:
        ColorzooError: PyAV is not installed, or the file is not a video.
    """

    def __init__(self, file: Path, short_side: int | None) -> None:
        self.name, self._file, self._short_side = file.stem, file, short_side
        self.length = sum(1 for _ in self._decoded())  # containers store no frame count, or a wrong one
        self._frames: Iterator[Any] = iter(())
        self._next = self.length

    def read(self, start: int, stop: int) -> list[Tensor]:
        """Return the frames ``start`` to ``stop`` (exclusive), each ``(3, H, W)`` uint8."""
        if start < self._next:
            self._frames, self._next = self._decoded(), 0
        found = []
        while self._next < stop:
            frame = next(self._frames)
            if self._next >= start:
                found.append(self._tensor(frame))
            self._next += 1
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_frames": iter(()), "_next": self.length}  # open files cannot be pickled

    def _decoded(self) -> Iterator[Any]:
        av = import_av()
        try:
            with av.open(str(self._file)) as container:
                if (stream := main_video_stream(container)) is None:
                    raise DataError(f"{str(self._file)!r} has no video stream.")
                stream.codec_context.thread_count = 1  # threaded decoders deadlock in forked workers
                yield from container.decode(stream)
        except av.FFmpegError as error:
            raise DataError(f"cannot read the video {str(self._file)!r} ({error}).") from error

    def _tensor(self, frame: Any) -> Tensor:
        image = Image.fromarray(np.ascontiguousarray(frame_to_rgb(frame)))
        if self._short_side is not None:
            factor = self._short_side / min(image.size)
            size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
            image = image.resize(size, Image.Resampling.BICUBIC)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return pixels.view(image.height, image.width, 3).permute(2, 0, 1)


Clip = FolderClip | FileClip


class FrameBlocks(Dataset[FrameBatch]):
    """Dataset whose items are batches of consecutive frames, each from one clip.

    Args:
        clips: The clips.
        frames: Frames per batch.
    """

    def __init__(self, clips: list[Clip], frames: int) -> None:
        self.blocks = [
            (clip, start, min(start + frames, clip.length))
            for clip in clips
            for start in range(0, clip.length, frames)
        ]

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, key: tuple[int, int]) -> FrameBatch:
        """Return the batch for ``key``, a pair of index and seed."""
        index, seed = key
        clip, start, stop = self.blocks[index]
        numbers = torch.arange(start, stop)
        names = [f"{clip.name}/{number:05d}" for number in numbers.tolist()]
        rgb = torch.stack(clip.read(start, stop))
        return FrameBatch(rgb=rgb, seed=seed + numbers, name=names, clip=clip.name, frame=numbers)


class FramesDataModule(ImageDataModule):
    """Data module for video clips; each clip is a folder of frames or a video file.

    Examples:
        >>> data = FramesDataModule("album", frames=2, num_workers=0)
        >>> data.setup("validate")
        >>> batch = next(iter(data.val_dataloader()))
        >>> batch["rgb"].shape, batch["clip"], batch["frame"]
        (torch.Size([2, 3, 40, 48]), 'train', tensor([0, 1]))

    For evaluation only. Clips are sorted by name. A batch contains consecutive frames of one clip at the size
    of the clip, see `FrameBatch`. In distributed runs each process gets whole clips.

    Args:
        root: Folder of clips; a folder of frames is a single clip.
        frames: Number of frames per batch.
        short_side: Shorter side in pixels after resizing; None keeps the size.
        clip_limit: Maximum number of clips, taken in name order; None uses all clips.
        num_workers: Number of worker processes. Each worker decodes every video file and skips the frames of
            the other workers, so use one worker for video files and any number for folders of frames.
        seed: Seed for simulated hints.
    """

    originals_title = "frames"

    def __init__(
        self,
        root: str,
        frames: PositiveInt = 8,
        short_side: PositiveInt | None = None,
        clip_limit: PositiveInt | None = None,
        num_workers: NonNegativeInt = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(root, check=False, num_workers=num_workers, seed=seed)
        self.clips: list[Clip] = []

    def prepare_data(self) -> None:
        """Do nothing, because frames are not checked."""

    def setup(self, stage: str) -> None:
        """Find the clips and count their frames (once).

        Raises:
            DataError: There are no clips, or ``stage`` is ``fit``.
        """
        if stage == "fit":
            raise DataError(
                "FramesDataModule is for evaluation; use `colorzoo validate`, `test` or `predict` with it."
            )
        if not self.clips:
            hp = self.hparams
            self.clips = find_clips(Path(hp.root), hp.short_side)[: hp.clip_limit]

    def originals(self) -> Originals:
        """Return the frames that are image files."""
        return find_originals(self.hparams.root)

    def val_dataloader(self) -> ResumableDataLoader:
        """Return a loader for the frames of this process's clips, in order."""
        ranks = {"rank": 0, "world_size": 1, **self.ranks()}
        blocks = FrameBlocks(self.clips[ranks["rank"] :: ranks["world_size"]], self.hparams.frames)
        workers = self.hparams.num_workers
        return ResumableDataLoader(
            blocks,  # type: ignore[arg-type]  # items are batches, not samples
            batch_size=None,
            sampler=SeededSampler(len(blocks), seed=self.hparams.seed, shuffle=False),
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )


def find_clips(root: Path, short_side: int | None = None) -> list[Clip]:
    """Return the clips of a folder in name order.

    Args:
        root: Folder of clips, or of the frames of one clip.
        short_side: Shorter side of resized frames in pixels; None keeps their size.

    Raises:
        DataError: The folder does not exist or contains no clip.
    """
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} does not exist; give --data.root a folder of clips.")
    clips: list[Clip] = []
    for path in [root, *visible_entries(root)]:
        if path.is_dir():
            clip = FolderClip(path, short_side)
            clips += [clip] if clip.length else []
        elif path.suffix.lower() in VIDEO_EXTENSIONS:
            clips.append(FileClip(path, short_side))
    if not clips:
        extensions = ", ".join(sorted(VIDEO_EXTENSIONS))
        raise DataError(f"no clip in {str(root)!r}; expected folders of frames or videos: {extensions}.")
    return clips
