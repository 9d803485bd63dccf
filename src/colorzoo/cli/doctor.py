"""``colorzoo doctor``: report the installation and its problems, without network access."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from colorzoo.cli._options import Command
from colorzoo.cli._output import align
from colorzoo.environment import installed_version
from colorzoo.registry import skipped_packages
from colorzoo.settings import option
from colorzoo.weights.catalog import cache_home, inspect_file, list_weights

HELP = "show versions, device, cache and weights, and report problems"
EXAMPLE = """
colorzoo doctor
colorzoo doctor --json > report.json
"""

# reported for a checkout, which has no package metadata
_WITHOUT_METADATA = ("torch", "torchvision", "lightning", "kornia", "numpy", "pillow")
_FETCHED = {
    "verified": "ok, fetched",
    "recorded": "hash recorded on first use, fetched",
    "unchecked": "not checked before its first use",
    "changed": "changed, not used",
    "refused": "rejected, not used",
}
_EMBEDDED = {"embedded": "ok", "missing": "missing"}  # all other states are damage


@dataclass(frozen=True)
class Diagnosis:
    """Information for a bug report.

    Attributes:
        python: Version of the interpreter.
        system: Operating system and processor.
        colorzoo: Installed version; None in a checkout.
        packages: Version of each core dependency; None if it is not installed.
        device: Device that ``auto`` selects, or ``"none"`` if torch cannot be imported.
        cache: Folder of downloaded weights.
        embedded: ``model``, ``path`` and ``state`` (``"ok"``, ``"missing"`` or ``"damaged"``) of each weight
            file inside the package.
        fetched: ``model``, ``tag``, ``path``, ``state`` (see `colorzoo.weights.catalog.FileState`) and
            ``reason`` of each weight file in the cache.
        extras: ``name``, ``missing`` packages and ``install`` command of each extra.
        problems: One line for each problem.
    """

    python: str
    system: str
    colorzoo: str | None
    packages: dict[str, str | None]
    device: str
    cache: str
    embedded: list[dict[str, str]]
    fetched: list[dict[str, str]]
    extras: list[dict[str, Any]]
    problems: list[str]


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Options of ``colorzoo doctor``."""

    json: bool = option(False, "print one JSON object for a bug report")


def run(args: DoctorOptions) -> int:
    """Print the diagnosis; return 1 if there are problems."""
    found = diagnose()
    print(json.dumps(asdict(found), indent=2) if args.json else "\n".join(_report(found)))
    return 1 if found.problems else 0


def diagnose() -> Diagnosis:
    """Examine the installation; takes as long as importing torch."""
    by_extra = _packages_by_extra()
    packages = {name: installed_version(name) for name in sorted(by_extra.pop("", _WITHOUT_METADATA))}
    problems = [
        f"{name} is not installed; run `python -m pip install {name}`"
        for name, version in packages.items()
        if version is None
    ]
    device, broken = find_device()
    problems += broken
    embedded, fetched = [], []
    for row in list_weights():
        if row.weights.file is None and row.where != "cached":
            continue
        state = inspect_file(row.weights, row.path, rehash=True)
        entry = {"model": row.model, "path": str(row.path)}
        if row.weights.file is not None:
            embedded.append(entry | {"state": _EMBEDDED.get(state.status, "damaged")})
        else:
            fetched.append(entry | {"tag": row.tag, "state": state.status, "reason": state.reason})
    problems += [
        f"the embedded weights of {row['model']} are {row['state']} ({row['path']}); reinstall colorzoo"
        for row in embedded
        if row["state"] != "ok"
    ]
    problems += [
        f"{row['path']} is not used: {row['reason']}; "
        f"run `colorzoo weights fetch {row['model']} --tag {row['tag']}`"
        for row in fetched
        if row["reason"]
    ]
    problems += [f"{each}; repair or uninstall it" for each in skipped_packages()]
    return Diagnosis(
        python=platform.python_version(),
        system=f"{platform.platform()} {platform.machine()}",
        colorzoo=installed_version("colorzoo"),
        packages=packages,
        device=device,
        cache=str(cache_home()),
        embedded=embedded,
        fetched=fetched,
        extras=[
            {
                "name": name,
                "missing": sorted(package for package in parts if installed_version(package) is None),
                "install": f'python -m pip install "colorzoo[{name}]"',
            }
            for name, parts in sorted(by_extra.items())
        ],
        problems=problems,
    )


def _report(found: Diagnosis) -> list[str]:
    facts = [
        ("colorzoo", found.colorzoo or "not installed as a package"),
        ("python", found.python),
        *((name, version or "not installed") for name, version in found.packages.items()),
        ("system", found.system),
        ("device", found.device),
        ("cache", found.cache),
        *((f"weights of {row['model']}", f"{row['state']}, embedded") for row in found.embedded),
        *(
            (f"weights of {row['model']}", f"{_FETCHED[row['state']]}, {row['path']}")
            for row in found.fetched
        ),
    ]
    for extra in found.extras:
        missing = f"missing {', '.join(extra['missing'])}; {extra['install']}"
        facts.append((f"extra {extra['name']}", missing if extra["missing"] else "installed"))
    return [*align(facts), "", *([f"problem: {line}" for line in found.problems] or ["no problem found"])]


def find_device() -> tuple[str, list[str]]:
    """Return the device that ``auto`` selects, and problems with importing torch."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library cannot be loaded
        return "none", [f"torch cannot be imported: {error}"]
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})", []
    if torch.backends.mps.is_available():
        return "mps", []
    return f"cpu ({torch.get_num_threads()} threads)", []


def declared_requirements() -> list[str]:
    """Return the requirements in the metadata of the installed package; empty in a checkout."""
    try:
        return requires("colorzoo") or []
    except PackageNotFoundError:
        return []


def _packages_by_extra() -> dict[str, set[str]]:
    """Return the packages that each extra requires; the core dependencies have the key ``""``."""
    from packaging.requirements import Requirement

    found: dict[str, set[str]] = {}
    parts: list[tuple[str, set[str]]] = []  # extras that contain other extras
    for line in map(Requirement, declared_requirements()):
        extra = str(line.marker).partition('extra == "')[2].partition('"')[0] if line.marker else ""
        if line.name == "colorzoo":
            parts.append((extra, line.extras))
        else:
            found.setdefault(extra, set()).add(line.name)
    for extra, others in parts:
        found[extra] = found.get(extra, set()).union(*(found.get(other, set()) for other in others))
    return found


COMMANDS = {"": Command(HELP, EXAMPLE, DoctorOptions, run)}
