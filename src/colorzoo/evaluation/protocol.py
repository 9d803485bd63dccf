"""Evaluation protocols: versioned YAML files with all settings except the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import DataError, GuidanceError
from colorzoo.simulation import SimulatedUser, make_user

ResizeMode = Literal["squash", "crop", "fit", "none"]
ResizeFilter = Literal["bicubic", "bilinear"]
References = Literal["none", "pairs", "first"]
BoxUse = Literal["optional", "required"]
Coloring = Literal["colorizer", "network"]
Layout = Literal["images", "drawings", "clips"]
Sketches = Literal["xdog", "drawn"]
MAX_INTERACTIONS = 1000


@dataclass(frozen=True)
class Resize:
    """Antialiased resizing of images to the size of a protocol.

    Attributes:
        mode: ``squash`` resizes to a square and ignores the aspect ratio. ``crop`` resizes the central
            square. ``fit`` keeps the aspect ratio. ``none`` keeps the original size.
        size: Side of the square, or longer side for ``fit``, in pixels.
        filter: Interpolation.
    """

    mode: ResizeMode
    size: int = 0
    filter: ResizeFilter = "bicubic"

    @property
    def key(self) -> str:
        """Suffix of metric keys in reports, which identifies the resizing."""
        return "original-size" if self.mode == "none" else f"{self.mode}{self.size}-{self.filter}"

    def __call__(self, rgb: Tensor) -> Tensor:
        """Resize ``(3, H, W)`` uint8 to ``(3, h, w)`` uint8."""
        size = self.size, self.size
        if self.mode == "crop":
            left, top, width, height = self.window((rgb.shape[1], rgb.shape[2]))
            rgb = rgb[:, top : top + height, left : left + width]
        if self.mode == "fit":
            scale = self.size / max(rgb.shape[1:])
            size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[2] * scale))
        if self.mode == "none" or size == rgb.shape[1:]:
            return rgb
        return F.interpolate(rgb[None], size, mode=self.filter, antialias=True)[0]

    def window(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the used part of an image: left, top, width and height in pixels.

        Args:
            size: Height and width of the image in pixels.
        """
        height, width = size
        if self.mode != "crop":
            return 0, 0, width, height
        side = min(size)
        return (width - side) // 2, (height - side) // 2, side, side


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Evaluation protocol.

    Examples:
        >>> load_protocol("automatic").resize.size
        256

    Attributes:
        name: Name of the protocol.
        version: Version number, incremented with every change that affects results.
        title: One-line description.
        source: Paper and section that the protocol follows.
        resize: Initial resizing of the images.
        coloring: ``colorizer`` runs `colorize` with the network at its working size. ``network`` runs the
            network at the size of the images, as in most papers.
        subset: Name of a subset from `colorzoo.evaluation.images.subset_names`; None selects all images.
        references: ``pairs`` reads the reference of each image from ``pairs.csv``. ``first`` uses the first
            frame of each clip and requires the layout ``clips``. ``none`` uses no references.
        boxes: Whether models that accept boxes require the boxes of ``boxes.csv`` or a detector
            (``required``), or may run without boxes (``optional``).
        layout: ``images`` evaluates all images of a folder. ``drawings`` evaluates the images in the
            subfolder ``images`` with drawn lines of the same name in the subfolder ``lines``. ``clips``
            evaluates the frames of videos, with one subfolder per clip. Distances between image sets are
            then computed for each clip and averaged, and the bootstrap resamples clips.
        sketches: Input of sketch models: ``xdog`` extracts the lines of the image with XDoG. ``drawn`` uses
            the drawn lines and requires the layout ``drawings``.
        user: Simulated user; None for automatic colorization.
        background: Simulated user that sets constant guidance before the first interaction, or None. Its kind
            of guidance should differ from the kind that ``user`` sets.
        background_count: Number of interactions of ``background``.
        interactions: Numbers of interactions after which results are measured, ascending.
        metrics: Names of the metrics.
        seed: Seed for all random numbers.
        notes: Remarks for readers of the report.
        text: Content of the YAML file.
    """

    name: str
    version: int
    title: str
    source: str
    resize: Resize
    metrics: tuple[str, ...]
    coloring: Coloring = "colorizer"
    subset: str | None = None
    references: References = "none"
    boxes: BoxUse = "optional"
    layout: Layout = "images"
    sketches: Sketches = "xdog"
    user: SimulatedUser | None = None
    background: SimulatedUser | None = None
    background_count: int = 0
    interactions: tuple[int, ...] = (0,)
    seed: int = 0
    notes: tuple[str, ...] = ()
    text: str = ""

    @property
    def label(self) -> str:
        """Name and version, and the changed settings of a built-in protocol."""
        changed = f" (changed: {', '.join(self.changes)})" if self.changes else ""
        return f"{self.name}/{self.version}{changed}"

    @cached_property
    def changes(self) -> tuple[str, ...]:
        """Settings that differ from the built-in protocol with the same name, such as ``user.side``.

        Examples:
            >>> from dataclasses import replace
            >>> replace(load_protocol("automatic"), seed=7).label
            'automatic/4 (changed: seed)'
        """
        if self.name not in list_protocols():
            return ()
        original = load_protocol(self.name)
        described = {"title", "source", "notes", "text", "metrics", "interactions"}
        changed = []
        for name in [each.name for each in fields(self) if each.name not in described]:
            values = getattr(self, name), getattr(original, name)
            if values[0] == values[1]:
                continue
            parts = [dict(vars(value)) if is_dataclass(value) else {} for value in values]
            if type(values[0]) is type(values[1]) and parts[0]:
                changed += [f"{name}.{key}" for key in parts[0] if parts[0][key] != parts[1][key]]
            else:
                changed.append(name)
        return tuple(changed)

    @property
    def coloring_note(self) -> str:
        """Sentence on the size at which the images were colorized."""
        if self.coloring == "colorizer":
            return "Images were colorized with the default settings of `colorzoo colorize`."
        by_image = self.resize.mode in ("fit", "none")
        side = "the size of the images" if by_image else f"{self.resize.size} pixels"
        return f"The networks ran at {side}, as in most papers, instead of at their working size."


def list_protocols() -> list[str]:
    """Return the names of the built-in protocols.

    Examples:
        >>> "automatic" in list_protocols()
        True
    """
    folder = files("colorzoo.evaluation") / "protocols"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def load_protocol(name: str) -> Protocol:
    """Load a protocol by name or from a file.

    Examples:
        >>> protocol = load_protocol("automatic")
        >>> protocol.metrics[0]
        'psnr'

    Args:
        name: A name from `list_protocols`, or the path of a YAML file.

    Raises:
        DataError: The protocol does not exist or is invalid.
    """
    if name in list_protocols():
        text = (files("colorzoo.evaluation") / "protocols" / f"{name}.yaml").read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")) and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        if similar := get_close_matches(name, list_protocols()):
            raise DataError(f"unknown protocol {name!r}. Did you mean {' or '.join(similar)}?")
        known = ", ".join(list_protocols())
        raise DataError(f"unknown protocol {name!r}; expected {known} or the path of a YAML file")
    return parse_protocol(text, name)


def parse_protocol(text: str, where: str) -> Protocol:
    """Parse a protocol from YAML text; error messages contain the name ``where``.

    Raises:
        DataError: The text is invalid.
    """
    try:
        values = load_yaml(text)
        user_settings = values.get("user")
        background_settings = dict(values.get("background") or {})
        background_count = background_settings.pop("count") if background_settings else 0
        converted = {
            "text": text,
            "resize": Resize(**values["resize"]),
            "interactions": check_interactions(values.get("interactions", [0])),
            "metrics": _strings(values["metrics"], "metrics"),
            "notes": _strings(values.get("notes", []), "notes"),
            "user": make_user(**user_settings) if user_settings else None,
            "background_count": background_count,
            "background": make_user(**background_settings) if background_settings else None,
        }
        protocol = Protocol(**{**values, **converted})  # the other values need no conversion
        # check the fields that have a fixed set of values
        resize = protocol.resize
        _require_one_of("resize.mode", resize.mode, get_args(ResizeMode))
        _require_one_of("resize.filter", resize.filter, get_args(ResizeFilter))
        if resize.mode != "none" and not 16 <= resize.size <= 4096:
            raise ValueError(f"resize.size must be from 16 to 4096 pixels, got {resize.size}")
        _require_one_of("coloring", protocol.coloring, get_args(Coloring))
        _require_one_of("boxes", protocol.boxes, get_args(BoxUse))
        _require_one_of("layout", protocol.layout, get_args(Layout))
        references = get_args(References) if protocol.layout == "clips" else ("none", "pairs")
        _require_one_of("references", protocol.references, references)
        sketches = get_args(Sketches) if protocol.layout == "drawings" else ("xdog",)
        _require_one_of("sketches", protocol.sketches, sketches)
    except (AttributeError, GuidanceError, KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"protocol {where}: {reason}") from error
    return protocol


def interaction_counts(protocol: Protocol, requested: Sequence[int] | None) -> tuple[int, ...]:
    """Return the requested numbers of interactions; None requests the numbers of the protocol.

    Raises:
        DataError: A number is invalid, or the protocol has no simulated user and a number is above 0.
    """
    try:
        counts = protocol.interactions if requested is None else check_interactions(requested)
    except ValueError as error:
        raise DataError(str(error)) from error
    if protocol.user is None and any(counts):
        raise DataError(f"--interactions must be 0 for protocol {protocol.name}, got {max(counts)}")
    return counts


def _strings(values: Any, name: str) -> tuple[str, ...]:
    """Check a list of strings; ``name`` names the list in error messages."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be a list of strings, got {values!r}")
    return tuple(values)


def check_interactions(values: Any) -> tuple[int, ...]:
    """Check numbers of interactions, and return them sorted and without duplicates.

    Examples:
        >>> check_interactions([10, 0, 1])
        (0, 1, 10)

    Raises:
        ValueError: The list is empty, or a value is not an integer from 0 to `MAX_INTERACTIONS`.
    """
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTERACTIONS:
            raise ValueError(
                f"interactions must be whole numbers from 0 to {MAX_INTERACTIONS}, got {value!r}"
            )
    if not values:
        raise ValueError("interactions must contain at least one number")
    return tuple(sorted(set(values)))


def _require_one_of(key: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{key} must be one of {', '.join(allowed)}, got {value!r}")


def load_yaml(text: str | bytes) -> Any:
    """Parse YAML text.

    Raises:
        ValueError: The text is invalid.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"invalid YAML ({' '.join(str(error).split())})") from error
