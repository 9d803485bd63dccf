"""`FramesDataModule`: the frames of video clips in order, for evaluation."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.decode import decode_rgb
from colorzoo.data.loader import LateLoader
from colorzoo.data.module import PictureDataModule
from colorzoo.data.originals import Originals, SourceOriginals
from colorzoo.data.sampler import SeededSampler
from colorzoo.data.sources import EXTENSIONS, find_sources
from colorzoo.errors import DataError

VIDEO_EXTENSIONS = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg"})


class FrameBatch(TypedDict):
    """Consecutive frames of one clip.

    Attributes:
        rgb: ``(B, 3, H, W)`` at the size of the clip: uint8 from the workers, float32 in [0, 1] after the
            transfer.
        seed: ``(B,)`` int64, the source of each frame's randomness.
        name: Names of the frames, ``CLIP/00012``.
        clip: Name of the clip.
        frame: ``(B,)`` int64, numbers of the frames in the clip, from 0.
    """

    rgb: Tensor
    seed: Tensor
    name: list[str]
    clip: str
    frame: Tensor


class Clip(Protocol):
    """A clip of any kind.

    Attributes:
        name: Its name.
        length: Number of its frames.
    """

    name: str
    length: int

    def read(self, start: int, stop: int) -> list[Tensor]:
        """Return the frames from ``start`` to before ``stop``, each ``(3, H, W)`` uint8."""
        ...


class FolderClip:
    """A clip as a folder of pictures, in the order of their names.

    Args:
        folder: The folder.
        short_side: Shorter side of the frames in pixels; None keeps their size.
    """

    def __init__(self, folder: Path, short_side: int | None) -> None:
        self.name, self._short_side = folder.name, short_side
        self._files = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
        self.length = len(self._files)

    def read(self, start: int, stop: int) -> list[Tensor]:
        """Return the frames from ``start`` to before ``stop``."""
        return [decode_rgb(path.read_bytes(), self._short_side) for path in self._files[start:stop]]


class FileClip:
    """A clip as a video file; reading on where the last call ended costs no seeking.

    Args:
        file: The file.
        short_side: Shorter side of the frames in pixels; None keeps their size.

    Raises:
        DataError: PyAV is not installed, or the file is no video.
    """

    def __init__(self, file: Path, short_side: int | None) -> None:
        self.name, self._file, self._short_side = file.stem, file, short_side
        self.length = sum(1 for _ in self._decoded())  # containers state no count, or a wrong one
        self._frames: Iterator[Any] = iter(())
        self._next = self.length

    def read(self, start: int, stop: int) -> list[Tensor]:
        """Return the frames from ``start`` to before ``stop``."""
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
        return {**self.__dict__, "_frames": iter(()), "_next": self.length}  # open files do not travel

    def _decoded(self) -> Iterator[Any]:
        av = _load_av()
        try:
            with av.open(str(self._file)) as container:
                # One thread: a decoder with threads that a forked worker inherits and frees waits for ever.
                container.streams.video[0].codec_context.thread_count = 1
                yield from container.decode(video=0)
        except (av.FFmpegError, IndexError) as error:
            raise DataError(f"cannot read the video {str(self._file)!r} ({error}).") from error

    def _tensor(self, frame: Any) -> Tensor:
        image = Image.fromarray(frame.to_ndarray(format="rgb24", threads=1))
        if self._short_side is not None:
            factor = self._short_side / min(image.size)
            size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
            image = image.resize(size, Image.Resampling.BICUBIC)
        return (
            torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
            .view(image.height, image.width, 3)
            .permute(2, 0, 1)
        )


class Block(NamedTuple):
    """Frames that make one batch.

    Attributes:
        clip: Index of the clip.
        start: Its first frame.
        stop: One past its last frame.
    """

    clip: int
    start: int
    stop: int


class FrameBlocks(Dataset[FrameBatch]):
    """Batches of consecutive frames; none holds frames of two clips.

    Args:
        clips: The clips.
        frames: Frames per batch.
    """

    def __init__(self, clips: list[Clip], frames: int) -> None:
        self.clips = clips
        self.blocks = [
            Block(index, start, min(start + frames, clip.length))
            for index, clip in enumerate(clips)
            for start in range(0, clip.length, frames)
        ]

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, key: tuple[int, int]) -> FrameBatch:
        """Return one batch; ``key`` is its number and the seed of its randomness."""
        index, seed = key
        block = self.blocks[index]
        clip = self.clips[block.clip]
        numbers = torch.arange(block.start, block.stop)
        names = [f"{clip.name}/{number:05d}" for number in numbers.tolist()]
        rgb = torch.stack(clip.read(block.start, block.stop))
        return FrameBatch(rgb=rgb, seed=seed + numbers, name=names, clip=clip.name, frame=numbers)


class FramesDataModule(PictureDataModule):
    """Clips of a folder, each a folder of frames or a video file, in the order of their names.

    For evaluation only: it has no training data. A batch holds consecutive frames of one clip with their
    names and numbers (`FrameBatch`), at the clip's own size. With several processes each gets whole clips.

    Args:
        root: Folder of clips; a folder that holds frames itself is one clip.
        frames: Frames per batch.
        short_side: Reduce or enlarge frames to this shorter side in pixels; None keeps their size.
        clip_limit: Use only the first so many clips; None takes all.
        num_workers: Worker processes. With more than one, each decodes a video file of its own and passes
            over the frames of the others: for files one is best, for folders of frames any number.
        seed: Seed of simulated guidance.
    """

    def __init__(
        self,
        root: str,
        frames: int = 8,
        short_side: int | None = None,
        clip_limit: int | None = None,
        num_workers: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(root, check=False, num_workers=num_workers, seed=seed)
        self.clips: list[Clip] = []

    def prepare_data(self) -> None:
        """Check nothing: frames are measured as they are."""

    def setup(self, stage: str) -> None:
        """Find the clips and count their frames (once).

        Raises:
            DataError: There are none, or training is asked for.
        """
        if stage == "fit":
            raise DataError(
                "FramesDataModule is for evaluation; use `colorzoo validate`, `test` or `predict` with it."
            )
        if not self.clips:
            hp = self.hparams
            self.clips = find_clips(Path(hp.root), hp.short_side)[: hp.clip_limit]

    def originals(self) -> Originals:
        """Return the frames that are picture files."""
        return SourceOriginals(find_sources(Path(self.hparams.root)), self.hparams.root)

    def val_dataloader(self) -> LateLoader:
        """Return the frames of this process's clips, in order."""
        ranks = {"rank": 0, "world_size": 1, **self.ranks()}
        blocks = FrameBlocks(self.clips[ranks["rank"] :: ranks["world_size"]], self.hparams.frames)
        workers = self.hparams.num_workers
        return LateLoader(
            blocks,  # type: ignore[arg-type]  # a batch, not a sample: it is made in one piece
            batch_size=None,
            sampler=SeededSampler(len(blocks), seed=self.hparams.seed, shuffle=False),
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )


def find_clips(root: Path, short_side: int | None = None) -> list[Clip]:
    """Return the clips of a folder in the order of their names.

    Args:
        root: Folder of clips, or of the frames of one.
        short_side: Shorter side of the frames in pixels; None keeps their size.

    Raises:
        DataError: The folder does not exist or holds no clip.
    """
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} does not exist; give --data.root a folder of clips.")
    clips: list[Clip] = []
    for path in [root, *sorted(root.iterdir())]:
        if path.is_dir():
            clip = FolderClip(path, short_side)
            clips += [clip] if clip.length else []
        elif path.suffix.lower() in VIDEO_EXTENSIONS:
            clips.append(FileClip(path, short_side))
    if not clips:
        kinds = ", ".join(sorted(VIDEO_EXTENSIONS))
        raise DataError(f"no clip in {str(root)!r}; expected folders of frames, or files: {kinds}.")
    return clips


def _load_av() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise DataError(
            f'video files need PyAV ({error}); install it with: pip install "colorzoo[video]"'
        ) from error
