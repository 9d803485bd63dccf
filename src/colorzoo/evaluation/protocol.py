"""Evaluation protocols: versioned YAML files with all settings except the model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import DataError

ResizeMode = Literal["squash", "crop", "short", "none"]
References = Literal["none", "pairs", "self"]
Coloring = Literal["colorizer", "network"]
MAX_INTERACTIONS = 1000


@dataclass(frozen=True)
class Resize:
    """Bicubic resizing of images to the size of a protocol.

    Attributes:
        mode: ``squash``: to a square, without keeping the aspect ratio. ``short``: the shorter side to the
            size. ``crop``: the central square of that. ``none``: no change.
        size: Side in pixels.
    """

    mode: ResizeMode
    size: int

    @property
    def key(self) -> str:
        """Part of the keys of outputs that identifies the resize."""
        return "original-size" if self.mode == "none" else f"{self.mode}{self.size}-bicubic"

    def __call__(self, rgb: Tensor) -> Tensor:
        """Resize ``(3, H, W)`` uint8 to ``(3, h, w)`` uint8."""
        if self.mode == "none":
            return rgb
        height, width = rgb.shape[1:]
        if self.mode == "squash":
            size = self.size, self.size
        else:
            factor = self.size / min(height, width)
            size = round(height * factor), round(width * factor)
        if size != (height, width):
            rgb = F.interpolate(rgb[None], size, mode="bicubic", antialias=True)[0]
        if self.mode != "crop":
            return rgb
        top, left = (size[0] - self.size) // 2, (size[1] - self.size) // 2
        return rgb[:, top : top + self.size, left : left + self.size]


@dataclass(frozen=True)
class UserChoice:
    """A simulated user by name.

    Attributes:
        name: See `colorzoo.simulation.list_users`.
        options: Attributes of the user.
        count: Fixed number of interactions of a background user.
    """

    name: str
    options: Mapping[str, Any]
    count: int


@dataclass(frozen=True)
class Protocol:
    """Evaluation protocol.

    Examples:
        >>> load_protocol("automatic").resize.size
        256

    Attributes:
        name: Name of the protocol.
        version: Version, incremented with every change that affects results.
        title: Description in one line.
        source: Paper and section that the protocol follows.
        resize: Initial resizing of the images.
        coloring: ``colorizer`` runs `colorize` with the network at its working size. ``network`` runs the
            network at the size of the images, as in most papers.
        subset: ``ctest10k`` or ``first5k`` of ImageNet's validation images; None for all images.
        references: Reference images: ``pairs`` from ``pairs.csv``, ``self`` made from the image, or
            ``none``.
        user: Simulated user; None for automatic colorization.
        background: Simulated user of another kind whose hints precede the interactions.
        interactions: Numbers of interactions, ascending.
        metrics: Names of the metrics.
        seed: Seed for all random numbers.
        notes: Remarks for readers.
        text: The YAML file.
    """

    name: str
    version: int
    title: str
    source: str
    resize: Resize
    coloring: Coloring
    subset: str | None
    references: References
    user: UserChoice | None
    background: UserChoice | None
    interactions: tuple[int, ...]
    metrics: tuple[str, ...]
    seed: int
    notes: tuple[str, ...]
    text: str

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name}/{self.version}"

    @property
    def coloring_note(self) -> str:
        """Sentence on the size at which the images were colorized."""
        if self.coloring == "colorizer":
            return "Images were colorized with the default settings of `colorzoo colorize`."
        side = "the size of the images" if self.resize.mode == "none" else f"{self.resize.size} pixels"
        return f"The networks ran at {side}, as in most papers, and not at their working size."


_KEYS = sorted(field.name for field in fields(Protocol) if field.name != "text")


def list_protocols() -> list[str]:
    """Return the names of the protocols in the package.

    Examples:
        >>> "automatic" in list_protocols()
        True
    """
    folder = files("colorzoo.evaluation") / "protocols"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def load_protocol(name: str) -> Protocol:
    """Read a protocol.

    Examples:
        >>> protocol = load_protocol("automatic")
        >>> protocol.metrics[0]
        'psnr'

    Args:
        name: A name of `list_protocols`, or the path of a YAML file.

    Raises:
        DataError: The protocol does not exist or is invalid.
    """
    if name in list_protocols():
        text = (files("colorzoo.evaluation") / "protocols" / f"{name}.yaml").read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")) and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        near = difflib.get_close_matches(name, list_protocols())
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(list_protocols())}"
        raise DataError(f"{name!r} is neither a known protocol nor an existing YAML file; {hint}")
    return parse_protocol(text, name)


def parse_protocol(text: str, where: str) -> Protocol:
    """Read a protocol from YAML text; ``where`` is its name in errors.

    Raises:
        DataError: The text is invalid.
    """
    try:
        values = load_yaml(text)
    except ValueError as error:
        raise DataError(f"invalid evaluation protocol {where}: {error}") from error
    if not isinstance(values, dict):
        raise DataError(
            f"invalid evaluation protocol {where}: the YAML must be a mapping with keys {', '.join(_KEYS)}"
        )
    if unknown := sorted(set(values) - set(_KEYS)):
        raise DataError(
            f"invalid evaluation protocol {where}: unknown key {unknown[0]!r}; expected {', '.join(_KEYS)}"
        )
    try:
        return _protocol(values, text)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"invalid evaluation protocol {where}: {reason}") from error


def _protocol(values: Mapping[str, Any], text: str) -> Protocol:
    return Protocol(
        name=str(values["name"]),
        version=int(values["version"]),
        title=str(values["title"]),
        source=str(values["source"]),
        resize=_resize(values["resize"]),
        coloring=_one_of("coloring", values.get("coloring", "colorizer"), get_args(Coloring)),
        subset=values.get("subset"),
        references=_one_of("references", values.get("references", "none"), get_args(References)),
        user=_user(values.get("user")),
        background=_user(values.get("background")),
        interactions=check_interactions(values.get("interactions", [0])),
        metrics=tuple(values["metrics"]),
        seed=int(values.get("seed", 0)),
        notes=tuple(values.get("notes", ())),
        text=text,
    )


def check_interactions(values: Any) -> tuple[int, ...]:
    """Return sorted unique numbers of interactions.

    Raises:
        ValueError: A number is not an integer from 0 to `MAX_INTERACTIONS`.
    """
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTERACTIONS:
            raise ValueError(
                f"interactions must be whole numbers from 0 to {MAX_INTERACTIONS}, got {value!r}"
            )
    if not values:
        raise ValueError("interactions must contain at least one number")
    return tuple(sorted(set(values)))


def _resize(values: Mapping[str, Any]) -> Resize:
    mode: ResizeMode = _one_of("resize.mode", values["mode"], get_args(ResizeMode))
    size = 0 if mode == "none" else int(values["size"])
    if mode != "none" and not 16 <= size <= 4096:
        raise ValueError(f"resize.size must be from 16 to 4096 pixels, got {size}")
    return Resize(mode, size)


def _user(values: Mapping[str, Any] | None) -> UserChoice | None:
    if values is None:
        return None
    options = {key: value for key, value in values.items() if key not in ("name", "count")}
    return UserChoice(str(values["name"]), options, int(values.get("count", 0)))


def _one_of(key: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{key} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def load_yaml(text: str | bytes) -> Any:
    """Parse YAML text.

    Raises:
        ValueError: The text is invalid.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"invalid YAML ({' '.join(str(error).split())})") from error
