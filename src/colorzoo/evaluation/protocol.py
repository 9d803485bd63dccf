"""Protocols: all that decides a number besides the model, in a YAML file with a name and a version."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from colorzoo.errors import DataError
from colorzoo.evaluation.resize import Resize, ResizeMode

References = Literal["none", "pairs", "self"]
MOST_INTERACTIONS = 1000
_KEYS = {
    "name",
    "version",
    "title",
    "source",
    "resize",
    "subset",
    "references",
    "user",
    "background",
    "interactions",
    "metrics",
    "target",
    "seed",
    "notes",
}


@dataclass(frozen=True)
class UserChoice:
    """A simulated user by name.

    Attributes:
        name: See `colorzoo.users.list_users`.
        options: Its attributes.
        count: For a background: its fixed number of interactions.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True)
class Target:
    """A quality that users want to reach with few interactions.

    Attributes:
        metric: Name of the metric.
        value: The quality, in the metric's unit.
    """

    metric: str
    value: float


@dataclass(frozen=True)
class Protocol:
    """One way to evaluate.

    Attributes:
        name: Name, which numbers carry together with the version.
        version: Raised with every change that moves a number.
        title: One line.
        source: Where the protocol comes from.
        resize: To which size pictures are brought before anything else.
        subset: ``ctest10k`` or ``first5k`` of ImageNet's validation pictures; None for all pictures given.
        references: Whether pictures have a reference: by ``pairs.csv``, made from themselves, or not.
        user: Who interacts; None for automatic colorization.
        background: Who gave hints of another kind before.
        interactions: Numbers of interactions, growing.
        metrics: Names of the metrics.
        target: What counts as good enough.
        seed: Of all randomness.
        notes: What readers should know.
        text: The file itself.
    """

    name: str
    version: int
    title: str
    source: str
    resize: Resize
    subset: str | None
    references: References
    user: UserChoice | None
    background: UserChoice | None
    interactions: tuple[int, ...]
    metrics: tuple[str, ...]
    target: Target | None
    seed: int
    notes: tuple[str, ...]
    text: str

    @property
    def label(self) -> str:
        """Name and version, as numbers carry them."""
        return f"{self.name}/{self.version}"


def list_protocols() -> list[str]:
    """Return the names of the protocols that ship with the package."""
    folder = files("colorzoo.evaluation") / "protocols"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def load_protocol(name: str) -> Protocol:
    """Read a protocol.

    Args:
        name: One of `list_protocols`, or the path of a YAML file.

    Raises:
        DataError: No such protocol, or it says what none can say.
    """
    if name in list_protocols():
        text = (files("colorzoo.evaluation") / "protocols" / f"{name}.yaml").read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")) and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        near = difflib.get_close_matches(name, list_protocols(), n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(list_protocols())}"
        raise DataError(f"unknown protocol {name!r}; {hint} (or the path of a YAML file)")
    return parse_protocol(text, name)


def parse_protocol(text: str, where: str) -> Protocol:
    """Read a protocol from YAML text; ``where`` names it in errors.

    Raises:
        DataError: It is no protocol.
    """
    try:
        values = load_yaml(text)
    except ValueError as error:
        raise DataError(f"protocol {where}: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"protocol {where}: expected a mapping of {', '.join(sorted(_KEYS))}")
    if unknown := sorted(set(values) - _KEYS):
        raise DataError(f"protocol {where}: unknown key {unknown[0]!r}; expected {', '.join(sorted(_KEYS))}")
    try:
        return _protocol(values, text)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"protocol {where}: {reason}") from error


def _protocol(values: Mapping[str, Any], text: str) -> Protocol:
    target = values.get("target")
    return Protocol(
        name=str(values["name"]),
        version=int(values["version"]),
        title=str(values["title"]),
        source=str(values["source"]),
        resize=_resize(values["resize"]),
        subset=values.get("subset"),
        references=_one_of("references", values.get("references", "none"), get_args(References)),
        user=_user(values.get("user")),
        background=_user(values.get("background")),
        interactions=check_interactions(values.get("interactions", [0])),
        metrics=tuple(values["metrics"]),
        target=None if target is None else Target(str(target["metric"]), float(target["value"])),
        seed=int(values.get("seed", 0)),
        notes=tuple(values.get("notes", ())),
        text=text,
    )


def check_interactions(values: Any) -> tuple[int, ...]:
    """Return numbers of interactions sorted and once each.

    Raises:
        ValueError: One is no whole number from 0 to `MOST_INTERACTIONS`.
    """
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_INTERACTIONS:
            raise ValueError(
                f"interactions must be whole numbers from 0 to {MOST_INTERACTIONS}, got {value!r}"
            )
    if not values:
        raise ValueError("interactions must hold at least one number")
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


def load_yaml(text: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        ValueError: It is no YAML.
    """
    import yaml  # of omegaconf, which colorzoo depends on

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML ({' '.join(str(error).split())})") from error
