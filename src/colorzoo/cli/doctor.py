"""``colorzoo doctor``: show what is installed on this machine, and problems with it; no network is used."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires

from colorzoo.cli._options import Command
from colorzoo.cli._output import align
from colorzoo.environment import installed_version
from colorzoo.registry import skipped_packages
from colorzoo.settings import option
from colorzoo.weights.catalog import cache_home, inspect_file, list_weights

HELP = "show versions, device, cache and weights, and problems with them"
EXAMPLE = """
colorzoo doctor
colorzoo doctor --json > report.json
"""

# A checkout has no metadata; a bug report needs these versions most.
_WITHOUT_METADATA = ("torch", "torchvision", "lightning", "kornia", "numpy", "pillow")
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^]]*)\])?")
_EXTRA_MARKER = re.compile(r"""extra\s*==\s*['"](?P<extra>[^'"]+)['"]""")
_FETCHED = {
    "verified": "ok, fetched",
    "recorded": "recorded on first use, fetched",
    "unchecked": "not checked before its first use",
    "changed": "changed, not used",
    "refused": "refused, not used",
}


@dataclass(frozen=True)
class Extra:
    """An optional part of colorzoo.

    Attributes:
        name: Name of the extra.
        missing: Packages of the extra that are not installed.
        install: Command line that installs it.
    """

    name: str
    missing: tuple[str, ...]
    install: str


@dataclass(frozen=True)
class Embedded:
    """A weight file that ships inside the package.

    Attributes:
        model: Registered name of its model.
        path: Path of the file, present or not.
        state: ``"ok"``, ``"missing"`` or ``"damaged"`` (its hash is not the one on the model's card).
    """

    model: str
    path: str
    state: str


@dataclass(frozen=True)
class Fetched:
    """A weight file in the cache.

    Attributes:
        model: Registered name of its model.
        tag: Tag of the weights on the model's card.
        path: Path of the file.
        state: `colorzoo.weights.catalog.FileState.status`.
        reason: What is wrong with it.
    """

    model: str
    tag: str
    path: str
    state: str
    reason: str


@dataclass(frozen=True)
class Diagnosis:
    """Everything that a bug report should contain.

    Attributes:
        python: Version of the interpreter.
        system: Operating system and processor.
        colorzoo: Installed version; None when it runs from a checkout.
        packages: Version of each core dependency; None when it is not installed.
        device: Device that ``auto`` selects, or ``"none"`` if torch cannot be imported.
        cache: Folder of downloaded weights.
        embedded: Weights inside the package.
        fetched: Weights in the cache.
        extras: Optional parts.
        problems: Problems to fix, one line each.
    """

    python: str
    system: str
    colorzoo: str | None
    packages: dict[str, str | None]
    device: str
    cache: str
    embedded: list[Embedded]
    fetched: list[Fetched]
    extras: list[Extra]
    problems: list[str]


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Options of ``colorzoo doctor``."""

    json: bool = option(False, "print one JSON object for a bug report")


def run(args: DoctorOptions) -> int:
    """Print the diagnosis; the exit code is 1 if there are problems."""
    found = diagnose()
    print(json.dumps(asdict(found), indent=2) if args.json else "\n".join(_report(found)))
    return 1 if found.problems else 0


def diagnose() -> Diagnosis:
    """Examine this machine; takes as long as importing torch."""
    requirements = declared_requirements()
    packages = {name: installed_version(name) for name in core_packages(requirements)}
    device, problems = find_device()
    embedded, fetched = embedded_weights(), fetched_weights()
    missing = [
        f"{name} is not installed; run `python -m pip install {name}`"
        for name, found in packages.items()
        if found is None
    ]
    damaged = [
        f"the embedded weights of {row.model} are {row.state} ({row.path}); install colorzoo again"
        for row in embedded
        if row.state != "ok"
    ]
    unused = [
        f"{row.path} is not used: {row.reason}; `colorzoo weights fetch {row.model} --tag {row.tag}`"
        for row in fetched
        if row.reason
    ]
    skipped = [f"{each}; mend or uninstall it" for each in skipped_packages()]
    return Diagnosis(
        python=platform.python_version(),
        system=f"{platform.platform()} {platform.machine()}",
        colorzoo=installed_version("colorzoo"),
        packages=packages,
        device=device,
        cache=str(cache_home()),
        embedded=embedded,
        fetched=fetched,
        extras=extras(requirements),
        problems=[*missing, *problems, *damaged, *unused, *skipped],
    )


def _report(found: Diagnosis) -> list[str]:
    facts = [
        ("colorzoo", found.colorzoo or "not installed as a package"),
        ("python", found.python),
        *((name, version or "not installed") for name, version in found.packages.items()),
        ("system", found.system),
        ("device", found.device),
        ("cache", found.cache),
        *((f"weights of {row.model}", f"{row.state}, embedded") for row in found.embedded),
        *((f"weights of {row.model}", f"{_FETCHED[row.state]}, {row.path}") for row in found.fetched),
    ]
    for extra in found.extras:
        lacks = f"lacks {', '.join(extra.missing)}; {extra.install}"
        facts.append((f"extra {extra.name}", lacks if extra.missing else "installed"))
    return [*align(facts), "", *([f"problem: {line}" for line in found.problems] or ["no problem found"])]


def find_device() -> tuple[str, list[str]]:
    """Return the device that ``auto`` selects, and problems with importing torch."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library of torch that does not load
        return "none", [f"torch cannot be imported: {error}"]
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})", []
    if torch.backends.mps.is_available():
        return "mps", []
    return f"cpu ({torch.get_num_threads()} threads)", []


def embedded_weights() -> list[Embedded]:
    """Check every weight file that ships inside the package against the hash on its card."""
    words = {"embedded": "ok", "missing": "missing"}
    return [
        Embedded(row.model, str(row.path), words.get(state.status, "damaged"))
        for row in list_weights()
        if row.weights.file is not None
        for state in [inspect_file(row.weights, row.path, rehash=True)]
    ]


def fetched_weights() -> list[Fetched]:
    """Check every weight file in the cache against its hash."""
    return [
        Fetched(row.model, row.tag, str(row.path), state.status, state.reason)
        for row in list_weights()
        if row.where == "cached"
        for state in [inspect_file(row.weights, row.path, rehash=True)]
    ]


def declared_requirements() -> list[str] | None:
    """Return the requirement lines of the installed colorzoo, or None in a checkout."""
    try:
        return requires("colorzoo")
    except PackageNotFoundError:
        return None


def core_packages(requirements: list[str] | None) -> list[str]:
    """Return the packages that colorzoo always requires.

    Args:
        requirements: Result of `declared_requirements`.
    """
    grouped = _by_extra(requirements or [])
    return [name for name, _ in grouped.get("", [])] or list(_WITHOUT_METADATA)


def extras(requirements: list[str] | None) -> list[Extra]:
    """Return the optional parts, each with its missing packages."""
    grouped = _by_extra(requirements or [])
    return [
        Extra(name, tuple(missing), f'python -m pip install "colorzoo[{name}]"')
        for name in sorted(grouped)
        if name
        for missing in [sorted(p for p in _expand(name, grouped) if installed_version(p) is None)]
    ]


def _expand(name: str, grouped: dict[str, list[tuple[str, list[str]]]]) -> set[str]:
    """Return the packages of an extra, including those of the extras that it consists of."""
    packages: set[str] = set()
    for package, inner in grouped.get(name, []):
        if package == "colorzoo":
            packages = packages.union(*(_expand(extra, grouped) for extra in inner))
        else:
            packages.add(package)
    return packages


def _by_extra(requirements: list[str]) -> dict[str, list[tuple[str, list[str]]]]:
    """Group (package, its extras) by the extra of colorzoo that requires it; ``""`` is the core."""
    grouped: dict[str, list[tuple[str, list[str]]]] = {}
    for line in requirements:
        found = _REQUIREMENT.match(line)
        marker = _EXTRA_MARKER.search(line)
        if found:
            inner = [part.strip() for part in (found["extras"] or "").split(",") if part.strip()]
            grouped.setdefault(marker["extra"] if marker else "", []).append((found["name"], inner))
    return grouped


COMMANDS = {"": Command(HELP, EXAMPLE, DoctorOptions, run)}
