"""Colorization of drawn film: regions keep their colors over frames and shots."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.film_recipe import FilmRecipe
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.apps.video.parts import PartsFolder, Shot, publish_shots
from colorzoo.apps.video.shots import group_shots, read_shots, split_dissolves
from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io import ImageProvenance, read_image
from colorzoo.inference import (
    ColorizedImage,
    Colorizer,
    RegionMemory,
    Sheets,
    Strength,
    choose_model,
    with_key_colors,
)
from colorzoo.registry import DEFAULT_MODELS

_LISTED = 5  # maximum number of frames in a note


def is_drawn(film: VideoFile | FrameFolder) -> bool:
    """Return whether sampled frames of a film are line art."""
    return all(choose_model(image=image) == DEFAULT_MODELS["sketch"] for image in film.sample())


@torch.inference_mode()
def color_drawn_shots(
    film: VideoFile | FrameFolder,
    edits: FilmRecipe,
    colorizer: Colorizer,
    parts: PartsFolder,
    *,
    strength: float | None = None,
    tick: Callable[[int], None] = lambda _: None,
    origin: ImageProvenance | None = None,
    keep_shots: bool = False,
) -> tuple[list[Shot], int]:
    """Colorize the shots of a drawn film and publish the result.

    The regions of a frame are matched with the references, the key frames, the first frames of all earlier
    shots, and the previous frame of the shot.

    Args:
        film: Video file or folder of frames.
        edits: Key frames, references and corrected shots.
        colorizer: Colorizer with a model for drawings.
        parts: Folder of shots, which determines the path of the result.
        strength: Multiplier for the chroma; None selects 1.
        tick: Function called with the number of each processed or reused frame, for a progress bar.
        origin: Provenance to store in the result; None stores no provenance.
        keep_shots: Whether to keep the shots for a later run. With edits, they are always kept.

    Returns:
        The shots, and the number of frames reused from earlier runs.

    Raises:
        ColorzooError: A reference or a key frame cannot be used, or the result cannot be written.
    """
    memory, key_frames = _read_edits(film, edits, colorizer)
    has_user_colors = not memory.is_empty
    is_edited = bool(edits.keys or edits.join or edits.split)
    spans = split_dissolves(read_shots(film.frames(), edits.join, edits.split))

    def color(frame: VideoFrame, previous: ColorizedImage | None) -> tuple[ColorizedImage, int]:
        """Return the colored frame, and its number of regions without a match."""
        if frame.number in key_frames:
            return key_frames[frame.number], 0
        colored = colorizer.colorize(frame.rgb_image(), sheets=Sheets(memory, previous))
        return colored, colored.unmatched

    shots, reused_count, key_numbers = list[Shot](), 0, list(key_frames)
    with parts:
        numbers = {span.frames.start: span.frames for span in spans}
        for frames in group_shots(film.frames(), numbers):
            first = next(frames)
            start = time.monotonic()
            colored, unmatched = color(first, None)
            if first.number not in key_frames:
                memory.add(colored, is_automatic=True)
            name, shot = parts.find(numbers[first.number], key_numbers)
            if shot is None:
                writer = film.part(parts.path / f"{name}{film.extension}")
                automatic: dict[int, int] = {}  # number of regions without a match, by frame number
                count = 0
                for frame in itertools.chain([first], frames):
                    if count:
                        colored, unmatched = color(frame, colored)
                    if unmatched and (has_user_colors or count):
                        automatic[frame.number] = unmatched
                    writer.write_drawing(frame, with_strength(colored, strength))
                    count += 1
                    tick(frame.number)
                writer.close()
                shot = Shot(
                    first.number, count, _notes(automatic), seconds=round(time.monotonic() - start, 1)
                )
                shot = parts.finish(name, shot, key_numbers)
            else:
                for frame in itertools.chain([first], frames):  # frames must be read to reach the next shot
                    tick(frame.number)
                reused_count += shot.count
            shots.append(shot)
        publish_shots(film, parts, shots, origin, keep=keep_shots or is_edited)
    return shots, reused_count


@torch.inference_mode()
def color_drawn_frame(
    film: VideoFile | FrameFolder, edits: FilmRecipe, colorizer: Colorizer, number: int
) -> tuple[ColorizedImage, tuple[str, ...]]:
    """Return a frame of a drawn film in the colors of the film, and notes about its regions.

    Only the frames that influence its colors are colorized: the first frames of all earlier shots, and the
    earlier frames of its shot. See `color_drawn_shots` for the arguments.

    Raises:
        VideoError: The film has no frame with this number.
    """
    spans = [span.frames for span in split_dissolves(read_shots(film.frames(), edits.join, edits.split))]
    span = next((span for span in spans if number in span), None)
    if span is None:
        raise VideoError(f"{film.path} has no frame {number}; frames are counted from 0")
    memory, key_frames = _read_edits(film, edits, colorizer)
    has_user_colors = not memory.is_empty
    starts, colored = {each.start for each in spans}, None
    for frame in itertools.takewhile(lambda frame: frame.number <= number, film.frames()):
        if frame.number not in starts and frame.number not in span:
            continue
        previous = None if frame.number in starts else colored
        colored, unmatched = key_frames.get(frame.number), 0
        if colored is None:
            colored = colorizer.colorize(frame.rgb_image(), sheets=Sheets(memory, previous))
            unmatched = colored.unmatched
            if frame.number in starts:
                memory.add(colored, is_automatic=True)
        if frame.number == number:
            is_noted = unmatched and (has_user_colors or number != span.start)
            return colored, _notes({number: unmatched} if is_noted else {})
    raise VideoError(f"frame {number} of {film.path} is damaged")


def _read_edits(
    film: VideoFile | FrameFolder, edits: FilmRecipe, colorizer: Colorizer
) -> tuple[RegionMemory, dict[int, ColorizedImage]]:
    """Return the memory of references and key frames, and the colored key frames.

    The regions of a key frame have the colors of its key image or of its recipe.
    """
    memory = RegionMemory(colorizer)
    for path in edits.references:
        memory.add_sheet(read_image(path), str(path))
    keys = {key.frame: key for key in edits.keys}
    found = dict[int, ColorizedImage]()
    shared = None  # the references as for an image, for recipes that name none
    if edits.references and any(key.recipe is not None for key in keys.values()):
        shared = colorizer.exemplar_of([*edits.references], Recipe(), None)
    whole_film = copy.copy(film)  # key frames outside the selected frames are also in the memory
    whole_film.selected = range(max(keys, default=-1) + 1)
    for frame in whole_film.frames() if keys else ():
        key = keys.get(frame.number)
        if key is None:
            continue
        image = frame.rgb_image()
        if key.image is not None:
            found[key.frame] = with_key_colors(colorizer.colorize(image), read_image(key.image))
        else:
            recipe = replace(key.recipe or Recipe(), crop=None)  # a key frame is a whole frame
            exemplar = colorizer.exemplar_of(None, recipe, key.folder)
            found[key.frame] = colorizer.colorize(image, recipe, reference=exemplar or shared)
    if missing := sorted(set(keys).difference(found)):
        raise VideoError(f"key frame {missing[0]} does not exist in {film.path}; frames are counted from 0")
    for colored in found.values():
        memory.add(colored)
    return memory, found


def _notes(automatic: dict[int, int]) -> tuple[str, ...]:
    if not automatic:
        return ()
    numbers = [str(number) for number in automatic]
    listed = ", ".join(numbers[:_LISTED]) + (" ..." if len(numbers) > _LISTED else "")
    return (f"{sum(automatic.values())} regions without a match got automatic colors, in frames {listed}",)


def region_points(colored: ColorizedImage) -> tuple[PointHint, ...]:
    """Return points with the colors of the regions of a drawing, except regions with a point of its recipe.

    Each point is the pixel of its region that is farthest from other regions.
    """
    flats = colored.flats
    width, height = size = colored.edit.image_size
    has_point = {flats.drawing.region_at(each.x, each.y, size) for each in colored.edit.recipe.points}
    rows, columns = flats.drawing.regions.shape
    scale = height / rows, width / columns
    return tuple(
        PointHint(
            x=round((column + 0.5) * scale[1], 1),
            y=round((row + 0.5) * scale[0], 1),
            color="#{:02x}{:02x}{:02x}".format(*np.rint(color * 255).astype(int)),
        )
        for number, ((row, column), color) in enumerate(zip(flats.drawing.middles, flats.colors, strict=True))
        if number not in has_point
    )


def with_strength(colored: ColorizedImage, strength: float | None) -> ColorizedImage:
    """Return a colorized drawing whose chroma is multiplied by ``strength``; None for 1."""
    return colored if strength is None else replace(colored, canvas=Strength(strength).apply(colored.canvas))
