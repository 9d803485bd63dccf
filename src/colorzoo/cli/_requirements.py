"""What colorzoo depends on and what of it is installed, read from package metadata without any import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

# Where colorzoo runs from a checkout there is no metadata; these are the versions a bug report needs most.
_WITHOUT_METADATA = ("torch", "torchvision", "lightning", "kornia", "numpy", "pillow")
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^]]*)\])?")
_EXTRA_MARKER = re.compile(r"""extra\s*==\s*['"](?P<extra>[^'"]+)['"]""")


@dataclass(frozen=True)
class Extra:
    """An optional part of colorzoo.

    Attributes:
        name: Name of the extra.
        missing: Packages it needs that are not installed.
        install: Command line that installs it.
    """

    name: str
    missing: tuple[str, ...]
    install: str


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def core_packages(requirements: list[str] | None) -> list[str]:
    """Return the packages without which nothing works.

    Args:
        requirements: ``importlib.metadata.requires("colorzoo")``; None where it is not installed.
    """
    grouped = _by_extra(requirements or [])
    return [name for name, _ in grouped.get("", [])] or list(_WITHOUT_METADATA)


def extras(requirements: list[str] | None) -> list[Extra]:
    """Return the optional parts, each with what is missing of it."""
    grouped = _by_extra(requirements or [])
    return [_extra(name, grouped) for name in sorted(grouped) if name]


def declared_requirements() -> list[str] | None:
    """Return the requirement lines of the installed colorzoo, or None where it runs from a checkout."""
    try:
        return requires("colorzoo")
    except PackageNotFoundError:
        return None


def _extra(name: str, grouped: dict[str, list[tuple[str, list[str]]]]) -> Extra:
    missing = tuple(sorted(p for p in _expand(name, grouped) if installed_version(p) is None))
    return Extra(name, missing, f'python -m pip install "colorzoo[{name}]"')


def _expand(name: str, grouped: dict[str, list[tuple[str, list[str]]]]) -> set[str]:
    """Return the packages of an extra, following those that are made of other extras."""
    packages: set[str] = set()
    for package, inner in grouped.get(name, []):
        if package == "colorzoo":
            packages = packages.union(*(_expand(extra, grouped) for extra in inner))
        else:
            packages.add(package)
    return packages


def _by_extra(requirements: list[str]) -> dict[str, list[tuple[str, list[str]]]]:
    """Group (package, its extras) by the extra of colorzoo that wants it; ``""`` is the core."""
    grouped: dict[str, list[tuple[str, list[str]]]] = {}
    for line in requirements:
        found = _REQUIREMENT.match(line)
        marker = _EXTRA_MARKER.search(line)
        if found:
            inner = [part.strip() for part in (found["extras"] or "").split(",") if part.strip()]
            grouped.setdefault(marker["extra"] if marker else "", []).append((found["name"], inner))
    return grouped
