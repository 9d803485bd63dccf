"""``colorzoo doctor``: report the installation and its problems without network access."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires

from colorzoo.apps.cli._options import Command
from colorzoo.console import align
from colorzoo.environment import installed_version
from colorzoo.registry import skipped_packages
from colorzoo.settings import option
from colorzoo.weights import cache_home, file_problem, list_weights

HELP = "show versions, device, cache and weights, and report problems"
EXAMPLE = """
colorzoo doctor
colorzoo doctor --json > report.json
"""

_CORE = ("torch", "torchvision", "lightning", "kornia", "numpy", "pillow")
_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+)(?:.*extra == ['\"](?P<extra>[\w-]+))?")


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Options of ``colorzoo doctor``."""

    json: bool = option(False, "print a JSON object that can be attached to a bug report")


def run(args: DoctorOptions) -> int:
    """Print versions, device, weights, missing packages and problems.

    Returns:
        1 if problems were found, otherwise 0.
    """
    facts, problems = diagnose()
    if args.json:
        print(json.dumps(facts | {"problems": problems}, indent=2))
    else:
        lines = [f"problem: {line}" for line in problems] or ["no problem found"]
        print("\n".join([*align([*facts.items()]), "", *lines]))
    return 1 if problems else 0


def diagnose() -> tuple[dict[str, str], list[str]]:
    """Examine the installation and return facts and problems; this imports torch.

    Returns:
        Dict that maps names, such as ``"python"`` and ``"device"``, to facts as text, and a list with one
        message per problem.
    """
    facts = {"colorzoo": installed_version("colorzoo") or "not installed as a package"}
    facts |= {"python": platform.python_version()}
    missing = missing_packages()
    facts |= {name: installed_version(name) or "not installed" for name in _CORE}
    facts |= {"system": f"{platform.platform()} {platform.machine()}"}
    facts["device"], problems = _find_device()
    facts["cache"] = str(cache_home())
    problems += [
        f"{name} is not installed. Run `python -m pip install {name}`." for name in missing.pop("", [])
    ]
    for row in list_weights():
        is_embedded = row.weights.file is not None
        if not is_embedded and row.where != "cached":
            continue
        problem = file_problem(row)
        facts[f"weights of {row.model} ({row.tag})"] = f"{problem or row.where}, {row.path}"
        if problem:
            fetch = f"Run `colorzoo weights fetch {row.model} --tag {row.tag}`."
            remedy = "Reinstall colorzoo." if is_embedded else fetch
            problems.append(f"{row.path} is not used: {problem}. {remedy}")
    problems += [f"{each}. Repair or uninstall this package." for each in skipped_packages()]
    for extra, packages in missing.items():
        install = f'python -m pip install "colorzoo[{extra}]"'
        facts[f"extra {extra}"] = f"missing {', '.join(packages)}; {install}" if packages else "installed"
    return facts, problems


def _find_device() -> tuple[str, list[str]]:
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


def missing_packages() -> dict[str, list[str]]:
    """Return a dict that maps each extra, such as ``"studio"``, to its missing packages.

    The key ``""`` contains the missing core dependencies. Extras that contain only other extras are omitted.
    Without package metadata, as in a plain checkout, the dict is empty.
    """
    try:
        lines = requires("colorzoo") or []
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None or match["package"] == "colorzoo":
            continue
        missing = found.setdefault(match["extra"] or "", [])
        if installed_version(match["package"]) is None:
            missing.append(match["package"])
    return found


COMMANDS = {"": Command(HELP, EXAMPLE, DoctorOptions, run)}
