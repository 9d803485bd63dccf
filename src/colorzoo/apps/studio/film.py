"""Film in a drawing pad: its frames, edits in a film recipe, and colorization in the background.

The film recipe is the only store of the edits. `docs/studio_protocol.md` describes the messages.
"""

from __future__ import annotations

import io
import itertools
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cachetools import LRUCache
from PIL import Image

from colorzoo.apps.studio.handlers import Context, Request
from colorzoo.apps.studio.models import ModelPool
from colorzoo.apps.studio.opened_image import fit_size, jpeg, safe_name, shrink_levels
from colorzoo.apps.studio.protocol import Message, Reply, StudioError, describe_error
from colorzoo.apps.studio.sessions import Session
from colorzoo.apps.studio.worker_pool import stop_if_cancelled
from colorzoo.apps.video.container import main_video_stream, open_media
from colorzoo.apps.video.drawn import is_drawn
from colorzoo.apps.video.encoding import CONTAINERS
from colorzoo.apps.video.file import FileFrame, VideoFile
from colorzoo.apps.video.film_recipe import FilmRecipe, KeyFrame, set_key_recipe
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.frames import ALL_FRAMES, VideoError, VideoFrame
from colorzoo.apps.video.memory import WEAK_SHOTS
from colorzoo.apps.video.run import (
    Source,
    color_frame,
    colorize_video,
    gray_image,
    load_colorer,
    open_film,
)
from colorzoo.apps.video.shots import LOOK_AHEAD, Boundary, ShotFinder, ShotSpan, shot_spans
from colorzoo.errors import ColorzooError
from colorzoo.files import lock_file, write_atomic
from colorzoo.guidance import ExemplarHint, Recipe
from colorzoo.image_io import RasterImage, foreign_sidecar, quantized, read_provenance
from colorzoo.inference import choose_model
from colorzoo.pixels.find import result_name
from colorzoo.pixels.raster import composite_on_white
from colorzoo.settings import NonNegativeInt

_THUMBNAIL, _PREVIEW = 160, 960  # longer sides in pixels
_NEXT_THUMBNAILS = (
    8  # frames that are decoded with a frame, because their thumbnails are usually requested next
)
_MAX_THUMBNAILS = 512
_DEFAULT_RATE = 25.0
_LATER = 73 + LOOK_AHEAD  # later frames on which the colors of a frame can depend, see `color_frame`
_INDEX_EVERY, _PROGRESS_EVERY = 1.0, 0.25  # seconds between two messages
_COLORS = "frame-{}-film-colors.png"  # name of a frame in the colors of the film; a hash is added
_CLOSE_SECONDS = 60.0
_SAVE_SECONDS = 5.0  # maximum time for the edits that the drawing pad has not sent yet


class _StoppedError(Exception):
    """Exception that stops a run which the user has cancelled."""


class Film:
    """Film that one drawing pad edits.

    Args:
        path: Video file or folder of frames.
        recipe_path: Film recipe; None for ``NAME.film.json`` beside the film. The result ``NAME.color.EXT``
            (``NAME_color`` for a folder) and the references of recipes are written beside the film recipe.
        **options: Arguments ``model``, ``weights``, ``device`` and ``size`` of `colorize_video`.

    Attributes:
        path: Video file or folder of frames.
        out: Result.
        owner: Session that edits the film, or None.
        requests: Handlers of the requests about the film, by message type.

    Raises:
        ColorzooError: The film or the film recipe cannot be read, or another process edits the film.
    """

    def __init__(self, path: Path, recipe_path: Path | None = None, **options: Any) -> None:
        self.path, self._options = path, options
        self._film = open_film(path)
        named = path.resolve()
        stem = named.name if path.is_dir() else named.stem  # folders such as scene.1 have no extension
        self._recipe_path = recipe_path or named.with_name(f"{stem}.film.json")
        extension = named.suffix if named.suffix.lower() in CONTAINERS else ".mkv"
        out_name = f"{named.name}_color" if path.is_dir() else f"{named.stem}.color{extension}"
        self.out = self._recipe_path.parent / out_name
        self._references = self._recipe_path.with_name(f"{self._recipe_path.stem}.references")
        self._stored = self._edits()
        self._is_drawn = is_drawn(self._film)
        try:
            self._file_lock = lock_file(self._recipe_path.with_name(f".{self._recipe_path.name}.lock"), 0)
        except TimeoutError as error:
            raise VideoError(
                f"{path} is open in another `colorzoo studio`: {error}. Stop this server, or continue there."
            ) from None
        except OSError as error:
            raise VideoError(
                f"{self._recipe_path} cannot be written: {error.strerror}. Set --recipe to a file in another "
                "folder."
            ) from error

        self.owner: Session | None = None
        self._reply: Reply = lambda _: None  # sends a message to the drawing pad of the owner
        self._shown: tuple[str, bytes] | None = None  # name and PNG of the reference of the open frame
        # frames that were read until now: timestamps of a video file, and the starts of the shots
        self._times, self._can_seek, self._count = array("q"), True, 0
        self._boundaries: list[Boundary] = []
        self._is_indexed, self._index_error = False, ""
        self._changed = threading.Condition()
        self._thumbnails: LRUCache[tuple[int, int], bytes] = LRUCache(_MAX_THUMBNAILS)
        self._decoding = threading.Lock()
        # the result: its number increases when it is written, and it is current if no edit is newer
        self._version, self._saved, self._is_current, self._is_own = 0, 0, False, False
        self._result: tuple[Source, Sequence[int]] | None = None
        self._job: dict[str, Any] = {"state": "idle"}
        self._cancel, self._is_closed = threading.Event(), False
        self._is_stored = threading.Event()  # set after `request_edits` if the pad has no other edits
        self._threads = [threading.Thread(target=self._index, name="film-index", daemon=True)]
        self._threads[0].start()
        self.requests = {
            "frame": Request(self._open_frame, uses_model=True),
            "save_frame": Request(self._save_frame, newest_only=False),
            "stored": Request(self._confirm_stored, newest_only=False),
            "apply": Request(self._apply, newest_only=False),
            "stop": Request(self._stop, newest_only=False),
        }

    def connect(self, session: Session, reply: Reply) -> None:
        """Make a session the owner of the film, and send its messages to the drawing pad of the session."""
        self.owner, self._reply = session, reply
        self._send()  # the state can have changed since the message ``hello``

    def check_owner(self, session_id: str | None) -> None:
        """Raise `StudioError` if another drawing pad edits the film."""
        if self.owner is not None and self.owner.connected and self.owner.id != session_id:
            raise StudioError(
                "busy", f"the film {self.path.name} is open in another tab. Close that tab to continue here."
            )

    def describe(self) -> dict[str, Any]:
        """Return the state of the film as fields of the message ``film``."""
        with self._changed:
            return {
                "name": self.path.name,
                "recipe": str(self._recipe_path),
                "out": str(self.out),
                "count": self._count,
                "shots": [span.frames.start for span in self._spans()],
                "indexed": self._is_indexed,
                "error": self._index_error,
                "edited": self._edited,
                "version": self._version,  # 0 without a result
                "current": self._is_current,
                "file": not self.out.is_dir(),
                "job": self._job,
            }

    def request_edits(self) -> None:
        """Request the edits that the drawing pad has not sent yet, and wait until they are stored."""
        if self.owner is not None and self.owner.connected:
            self._send(stopping=True)
            self._is_stored.wait(_SAVE_SECONDS)

    def close(self) -> None:
        """Stop the run; its finished shots are kept."""
        self._is_closed = True
        self._cancel.set()
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS)
        with suppress(OSError):
            Path(self._file_lock.lock_file).unlink(missing_ok=True)
        self._file_lock.release()

    def _send(self, **fields: Any) -> None:
        self._reply(Message({"type": "film", **(fields or self.describe())}))

    def _edits(self) -> FilmRecipe:
        return FilmRecipe.from_json(self._recipe_path) if self._recipe_path.exists() else FilmRecipe()

    def _key(self, number: int) -> KeyFrame | None:
        return next((key for key in self._edits().keys if key.frame == number), None)

    # frames

    def _index(self) -> None:
        """Read the film once, and record the timestamps and shots."""
        finder, sent = ShotFinder(), time.monotonic()
        try:
            for frame in open_film(self.path).frames():
                found = finder.add(frame)
                with self._changed:
                    if isinstance(frame, FileFrame):
                        pts = frame.decoded.pts
                        self._can_seek &= pts is not None and (not self._times or pts > self._times[-1])
                        self._times.append(pts or 0)
                    self._boundaries += found
                    self._count = frame.number + 1
                    self._changed.notify_all()
                if self._is_closed:
                    return
                if time.monotonic() - sent > _INDEX_EVERY:
                    self._send()
                    sent = time.monotonic()
            with self._changed:
                self._boundaries += finder.finish()
            # a result of an earlier run with the same edits is current
            with suppress(ColorzooError):
                summary = self._colorize(dry_run=True)
                self._is_current = self._is_own = summary["status"] == "skipped"
        except Exception as error:  # shown in the drawing pad
            self._index_error = describe_error(error)[1]
        with self._changed:
            self._is_indexed = True
            self._changed.notify_all()
        self._load_result()
        self._send()

    def frames_from(self, first: int) -> Iterator[VideoFrame]:
        """Yield the frames from a frame on."""
        with self._changed:
            times = self._times[:] if self._can_seek else ()
        yield from _frames_from(self._film, self.path, first, times)

    @property
    def _edited(self) -> list[int]:
        """Numbers of the frames in the film recipe."""
        return [key.frame for key in self._stored.keys]

    def _spans(self) -> list[ShotSpan]:
        """Return the shots of the frames that were read until now, with the corrections of the recipe."""
        edits = self._stored
        split = [number for number in edits.split if number < self._count]
        return shot_spans(self._boundaries, self._count, edits.join, split, self._edited)

    def _shot(self, number: int, check: Callable[[], None]) -> range:
        """Return the frame numbers of the shot of a frame; wait until they are known."""
        with self._changed:
            while not self._is_indexed and self._count < number + _LATER:
                check()
                self._changed.wait(0.2)
            shot = next((span.frames for span in self._spans() if number in span.frames), None)
            if shot is None:
                raise VideoError(f"{self.path} has no frame {number}; frames are counted from 0")
            return shot

    def _load_result(self) -> None:
        """Open the result, if it was written by this program and has all frames."""
        self._result = None
        with suppress(ColorzooError, OSError):
            if not os.path.lexists(self.out) or read_provenance(self.out) is None:
                return
            times = list[int]()
            # frames of a folder are found by their names, because OUT can have other images and lack frames
            result = (
                FrameFolder(self.out, files=[self.out / result_name(file) for file in self._film.files])
                if isinstance(self._film, FrameFolder)
                else open_film(self.out)
            )
            if isinstance(result, VideoFile):
                with open_media(self.out) as container:
                    packets = container.demux(main_video_stream(container))
                    times = sorted(packet.pts for packet in packets if packet.pts is not None)
                if len(times) != len(self._times):  # only a part of the film
                    return
            self._result = result, times
            self._version += 1

    def _result_from(self, first: int) -> Iterator[VideoFrame]:
        """Yield the frames of the result from a frame on; nothing without a result."""
        if self._result is not None:
            film, times = self._result
            yield from _frames_from(film, self.out, first, times)

    def thumbnail(self, number: int) -> bytes:
        """Return a small JPEG of a frame, in color if there is a result.

        Raises:
            VideoError: The frame does not exist or is damaged.
        """
        with self._decoding:
            version = self._version
            if (version, number) not in self._thumbnails:
                frames = self._result_from(number) if version else self.frames_from(number)
                for frame in itertools.takewhile(
                    lambda each: each.number < number + _NEXT_THUMBNAILS, frames
                ):
                    self._thumbnails[version, frame.number] = _jpeg(frame.rgb_image(), _THUMBNAIL)
            if (version, number) not in self._thumbnails:
                raise VideoError(f"frame {number} of {self.path.name} cannot be read")
            return self._thumbnails[version, number]

    def play(self, number: int) -> Iterator[bytes]:
        """Return JPEGs of the shot of a frame in the result, at the frame rate of the film.

        Raises:
            VideoError: The frame does not exist.
        """
        return self._play(self._shot(number, lambda: None))

    def _play(self, shot: range) -> Iterator[bytes]:
        rate = float(self._film.describe().get("rate", _DEFAULT_RATE))
        start = time.monotonic()
        for frame in self._result_from(shot.start):
            if frame.number >= shot.stop or self._is_closed:
                return
            data = _jpeg(frame.rgb_image(), _PREVIEW)
            time.sleep(max(0.0, start + (frame.number - shot.start) / rate - time.monotonic()))
            yield data

    def _colors(self, number: int, pool: ModelPool, check: Callable[[], None]) -> RasterImage:
        """Return a frame in the colors of the film, as ``colorzoo video --frame`` exports it."""
        found = next(self._result_from(number), None) if self._is_current else None
        if found is not None and found.number == number:
            return RasterImage(found.rgb_image().levels)
        edits, shot = self._edits(), self._shot(number, check)
        with self._changed:
            spans = self._spans()
        # the first shot whose colors continue to this shot
        index = next(index for index, span in enumerate(spans) if number in span.frames)
        first = index
        while first and (spans[first].is_doubtful or spans[first].mixed):
            first -= 1
        # only these key frames and earlier shots can influence the shot
        recalls = edits.has_images or edits.apply_matches or len(edits.references) > 1
        start = spans[first].frames.start
        keys = [
            key
            for key in edits.keys
            if start <= key.frame < shot.stop or (recalls and key.frame < self._count)
        ]
        earlier = spans[max(0, first - WEAK_SHOTS) : first] if recalls else []
        name = None  # the model of --weights
        if self._options.get("weights", "default") == "default":
            name = choose_model(name=self._options.get("model"), references=edits.color_images)
        colorizer = pool.get(name)

        def read(numbers: Iterable[int]) -> Iterator[VideoFrame]:
            for each in numbers:
                check()
                frame = next(self.frames_from(each), None)
                if frame is not None and frame.number == each:
                    yield frame

        def read_shot() -> Iterator[VideoFrame]:
            yield from read(span.tested for span in earlier)
            for frame in self.frames_from(start):
                check()
                yield frame

        key_frames: Any = _Excerpt(self.path, lambda: read(key.frame for key in keys))
        shot_edits = replace(edits, keys=tuple(keys), join=(), split=())
        colorer, _ = load_colorer(key_frames, shot_edits, colorizer, finds_shots=False)
        excerpt: Any = _Excerpt(self.path, read_shot)
        levels = color_frame(
            excerpt,
            colorer,
            number,
            spans=[*earlier, *spans[first : index + 1]],
        )
        return RasterImage(levels)

    # requests

    def _open_frame(self, ctx: Context) -> Iterator[Message]:
        """Send a frame, its recipe and its reference: the frame in the colors of the film.

        A frame with a recipe keeps the reference of this recipe.
        """
        number = ctx.message.fields().read("frame", NonNegativeInt, MISSING)

        def check() -> None:
            if ctx.message.id in ctx.session.cancelled or self._is_closed:
                raise StudioError("cancelled", "cancelled")
            stop_if_cancelled()

        key = self._key(number)
        if key is not None and key.image is not None:
            raise StudioError(
                "unsupported",
                f"frame {number} has the key image {key.image.name}. Edit this image, or remove it from "
                f"{self._recipe_path.name}.",
            )
        self._shot(number, check)  # raises an error if the frame does not exist
        frame = next(self.frames_from(number), None)
        if frame is None or frame.number != number:
            raise VideoError(f"frame {number} of {self.path.name} is damaged")
        image = frame.rgb_image() if self._is_drawn else gray_image(frame)
        recipe = Recipe(border="none") if key is None else key.recipe_in(self._recipe_path.parent)
        reference = None if key is None else _stored_reference(key)
        if reference is None and not self._is_drawn and (key is None or not recipe.exemplar.files):
            data = _png(self._colors(number, ctx.pool, check))
            reference = _hashed_name(_COLORS.format(number), sha256(data).hexdigest()), data
        self._shown = reference
        if reference is not None:
            name, data = reference
            digest = sha256(data).hexdigest()
            recipe = replace(recipe, exemplar=replace(recipe.exemplar, path=name, sha256=digest))
        fields = {"frame": number, "recipe": recipe.to_dict(), "reference": reference and reference[0]}
        yield ctx.answer("frame", _png(image), *([reference[1]] if reference else []), **fields)

    def _save_frame(self, ctx: Context) -> Iterator[Message]:
        """Store the recipe of a frame in the film recipe; a recipe without edits is removed."""
        number = ctx.message.fields().read("frame", NonNegativeInt, MISSING)
        # paths of the drawing pad must not be opened, except paths that the film recipe already contains
        sent, recipe, key = ctx.full_recipe(), ctx.recipe(), self._key(number)
        known = Recipe() if key is None else key.recipe_in(self._recipe_path.parent)
        labels = {
            name: path
            for name in ("file", "reference_file")
            if (path := getattr(known.classes, name)) == getattr(sent.classes, name)
        }
        more = tuple(file for file in recipe.exemplar.more if file in known.exemplar.more)
        recipe = replace(
            recipe,
            exemplar=replace(recipe.exemplar, more=more),
            classes=replace(recipe.classes, **labels),
            sha256=None,  # the hash of the PNG file depends on the encoder
        )
        self._shot(number, stop_if_cancelled)  # raises an error if the frame does not exist
        if (frame := next(self.frames_from(number), None)) is not None:
            height, width = frame.gray().shape
            recipe.check_inside(width, height)
        # the colors of the film, which are the reference of a new frame, are not an edit
        shown_name = _hashed_name(_COLORS.format(number), recipe.exemplar.sha256 or "")
        has_own_reference = Path(recipe.exemplar.path).name != shown_name
        edited = replace(recipe, width=None, height=None, model=None, border="automatic", extra={})
        if not has_own_reference:
            edited = replace(edited, exemplar=ExemplarHint())
        if edited == Recipe():
            stored = None
        else:
            references = list[tuple[str, str | None]]()
            for file in recipe.exemplar.files[:1]:
                name, data = self._reference(ctx, safe_name(file.path), file.sha256)
                target = self._references / name
                if not target.exists():
                    self._references.mkdir(parents=True, exist_ok=True)
                    write_atomic(target, data)
                references.append((f"{self._references.name}/{name}", file.sha256))
            references += [(file.path, file.sha256) for file in recipe.exemplar.files[1:]]
            stored = recipe.with_references(references) if references else recipe
        try:
            set_key_recipe(self._recipe_path, number, stored)
        except OSError as error:
            raise VideoError(f"{self._recipe_path} cannot be written: {error.strerror}") from error
        self._stored = self._edits()
        self._is_current = False
        self._saved += 1
        yield ctx.answer("saved", edited=self._edited)

    def _confirm_stored(self, ctx: Context) -> Iterator[Message]:
        """End `request_edits`, because the drawing pad has sent its edits."""
        self._is_stored.set()
        yield ctx.answer("stored")

    def _reference(self, ctx: Context, name: str, digest: str | None) -> tuple[str, bytes]:
        """Return the file name and the content of the reference of a recipe; the name contains the hash.

        Raises:
            StudioError: The request must be repeated with the file.
        """
        if self._shown is not None and self._shown[0] == name:
            return self._shown
        name = _hashed_name(name, digest or "")
        if (self._references / name).exists():
            return name, b""
        if not ctx.message.buffers and "upload" not in ctx.message.body:
            raise StudioError("no_reference", f"the reference {name} must be sent again")
        data, _ = ctx.file()
        if sha256(data).hexdigest() != digest:
            raise StudioError("bad_message", "the reference must have the hash in the recipe")
        return name, data

    def _apply(self, ctx: Context) -> Iterator[Message]:
        """Start to colorize the film in the background."""
        if self._job["state"] == "running":
            raise StudioError("busy", "the film is already being colorized")
        found = self.out if os.path.lexists(self.out) else foreign_sidecar(self.out)
        if found is not None and not (self._is_own or ctx.message.fields().take("replace")):
            raise StudioError("exists", f"{found.name} already exists.")
        self._cancel.clear()
        self._job = {"state": "running", "step": "finding shots", "done": 0}
        self._threads[1:] = [threading.Thread(target=self._run, name="film-run", daemon=True)]
        self._threads[1].start()
        yield ctx.answer("applied")
        self._send()

    def _stop(self, ctx: Context) -> Iterator[Message]:
        """Cancel the run; its finished shots are kept."""
        self._cancel.set()
        yield ctx.answer("applied")

    def _colorize(self, **options: Any) -> dict[str, Any]:
        recipe = self._recipe_path if self._recipe_path.exists() else None
        return colorize_video(self.path, self.out, recipe=recipe, keep_shots=True, **self._options, **options)

    def _run(self) -> None:
        """Colorize the film with its film recipe, and send the progress."""
        sent = 0.0

        def progress(step: str, number: int) -> None:
            nonlocal sent
            if self._cancel.is_set():
                raise _StoppedError
            if time.monotonic() - sent > _PROGRESS_EVERY:
                sent = time.monotonic()
                self._job = {"state": "running", "step": step, "done": number + 1}
                self._send(job=self._job)

        saved = self._saved
        try:
            summary = self._colorize(overwrite=True, progress=progress)
            notes = "; ".join(summary["notes"])
            shots = len(summary["shots"])
            text = f"{summary['frames']} frames in {shots} shot{'s' * (shots != 1)}"
            text += f", {summary['resumed']} from an earlier run" if summary["resumed"] else ""
            job = {"state": "done", "text": f"{text} ({notes})" if notes else text}
            self._is_own, self._is_current = True, saved == self._saved
            with self._decoding:
                self._load_result()
        except _StoppedError:
            job = {"state": "idle", "text": "Canceled. Finished shots are kept for the next run."}
        except Exception as error:  # shown in the drawing pad
            job = {"state": "failed", "text": describe_error(error)[1]}
        self._job = job
        self._send()


class _Excerpt:
    """Frames of a film for `load_colorer` and `color_frame`."""

    selected = ALL_FRAMES

    def __init__(self, path: Path, frames: Callable[[], Iterator[VideoFrame]]) -> None:
        self.path, self.frames = path, frames

    def describe(self) -> dict[str, Any]:
        """Return an unknown number of frames."""
        return {"frames": None}


def _frames_from(film: Source, path: Path, first: int, times: Sequence[int]) -> Iterator[VideoFrame]:
    """Yield the frames of a film from a frame on; without timestamps, the film is read from its start."""
    if not isinstance(film, VideoFile):
        yield from film.frames(first)
        return
    if first < len(times):
        found = film.frames_from(first, times)
        head = next(found, None)
        if head is not None and head.number == first:
            yield head
            yield from found
            return
    yield from (frame for frame in open_film(path).frames() if frame.number >= first)


def _stored_reference(key: KeyFrame) -> tuple[str, bytes] | None:
    """Return the name and content of the reference in the recipe of a frame."""
    files = () if key.recipe is None else key.recipe.exemplar.files
    if not files:
        return None
    path = key.folder / files[0].path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(
            f"the reference of frame {key.frame} cannot be read: {path}: {error.strerror}"
        ) from error
    return _hashed_name(path.name, sha256(data).hexdigest()), data


def _hashed_name(name: str, digest: str) -> str:
    """Return a file name with a hash, because references of several frames are in one folder."""
    path, suffix = Path(name), f"-{digest[:8]}"
    return name if path.stem.endswith(suffix) else f"{path.stem}{suffix}{path.suffix}"


def _pil(image: RasterImage, side: int | None = None) -> Image.Image:
    levels = composite_on_white(image).levels
    if side is not None:
        levels = shrink_levels(levels, fit_size(levels.shape[0], levels.shape[1], side))
    return Image.fromarray(quantized(levels, None, 8))


def _jpeg(image: RasterImage, side: int) -> bytes:
    return jpeg(_pil(image, side))


def _png(image: RasterImage) -> bytes:
    memory = io.BytesIO()
    _pil(image).save(memory, "PNG")
    return memory.getvalue()
