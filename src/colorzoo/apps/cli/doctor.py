"""``colorzoo doctor``: report the installation and its problems without network access."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass

from colorzoo.apps.cli._options import Command
from colorzoo.console import align
from colorzoo.environment import installed_version
from colorzoo.guidance.kinds import skipped_kinds
from colorzoo.options import option
from colorzoo.registry import skipped_packages
from colorzoo.weights.catalog import cache_home, file_problem, list_weights

HELP = "show versions, device, cache and weights, and report problems"
EXAMPLE = """
colorzoo doctor
colorzoo doctor --json > report.json
"""

_CORE = ("torch", "torchvision", "lightning", "kornia", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Options of ``colorzoo doctor``."""

    json: bool = option(False, "print a JSON object that can be attached to a bug report")


def run(args: DoctorOptions) -> int:
    """Print versions, device, weights and problems.

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
    problems = []
    # the device that `auto` selects
    device = "none"
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library cannot be loaded
        problems.append(f"torch cannot be imported: {error}")
    else:
        device = f"cpu ({torch.get_num_threads()} threads)"
        if torch.cuda.is_available():
            device = f"cuda ({torch.cuda.get_device_name()})"
        elif torch.backends.mps.is_available():
            device = "mps"
    facts = {
        "colorzoo": installed_version("colorzoo") or "not installed as a package",
        "python": platform.python_version(),
        **{name: installed_version(name) or "not installed" for name in _CORE},
        "system": f"{platform.platform()} {platform.machine()}",
        "device": device,
        "cache": str(cache_home()),
    }
    # the states of the embedded and downloaded weights
    for entry in list_weights():
        is_embedded = entry.weights.file is not None
        if not is_embedded and entry.where != "cached":
            continue
        problem = file_problem(entry)
        facts[f"weights of {entry.model} ({entry.tag})"] = f"{problem or entry.where}, {entry.path}"
        if problem:
            fetch = f"Run `colorzoo weights fetch {entry.model} --tag {entry.tag}`."
            remedy = "Reinstall colorzoo." if is_embedded else fetch
            problems.append(f"{entry.path} is not used: {problem}. {remedy}")
    problems += [
        f"{reason}. Repair or uninstall this package." for reason in skipped_packages() + skipped_kinds()
    ]
    return facts, problems


COMMANDS = {"": Command(HELP, EXAMPLE, DoctorOptions, run)}
