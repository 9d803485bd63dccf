"""Descriptions of the machine, the run and the source code, for reports and caches."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path, PureWindowsPath
from typing import Any

from colorzoo.environment import installed_version

LIBRARIES = (
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "kornia",
    "timm",
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
)
"""Packages whose versions affect numerical results."""


def source_digest(*plugins: str) -> str:
    """Return a hash of the Python files of colorzoo and of other modules or packages.

    Results that are cached on disk depend on it, because the version number changes only with releases. The
    code of a notebook has no file, so its hash is random.

    Args:
        plugins: Import names of modules or packages that extend colorzoo.
    """
    digest = hashlib.sha256()
    for module in (__name__.partition(".")[0], *sorted(plugins)):
        try:
            spec = find_spec(module)
        except ValueError:  # a script or a notebook
            script = getattr(sys.modules[module], "__file__", None)
            digest.update(Path(script).read_bytes() if script else os.urandom(16))
            continue
        if spec is None or spec.origin is None:
            continue
        own = Path(spec.origin)
        for path in sorted(own.parent.rglob("*.py")) if spec.submodule_search_locations else [own]:
            name, content = path.relative_to(own.parent).as_posix().encode(), path.read_bytes()
            digest.update(b"%s\0%d\0%s" % (name, len(content), content))
    return digest.hexdigest()


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, or its architecture if the name is unknown.

    Args:
        cpuinfo: File that contains the processor name on Linux; it need not exist.
    """
    with suppress(OSError):
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def describe_run() -> dict[str, Any]:
    """Return a dict with the command line, package versions, platform and git commit."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: installed_version(name) for name in ("colorzoo", *LIBRARIES)},
        "git": git_state(Path(__file__).parent),
    }


def hide_home(value: Any) -> Any:
    """Replace the path of the home folder by ``~`` in a text, because reports and weights are published.

    The path must be a whole path or the beginning of a path, but not of a URL such as ``s3://home/me``. In
    Windows paths, the case and the kind of the separators are ignored.

    Args:
        value: A text, or a list or dict whose values are replaced recursively.
    """
    if isinstance(value, dict):
        return {name: hide_home(each) for name, each in value.items()}
    if isinstance(value, list):
        return [hide_home(each) for each in value]
    if not isinstance(value, str):
        return value
    with suppress(RuntimeError):  # the user has no home folder
        home = str(Path.home())
        for path in {home, os.path.realpath(home)}:
            drive = PureWindowsPath(path).drive
            separator = r"[\\/]+" if drive else "/+"
            parts = [re.escape(part) for part in re.split(separator, path) if part]
            if not parts or parts == [re.escape(drive)]:
                continue  # a root folder, which begins every path
            is_share = bool(drive) and drive[1] != ":"
            lead = r"[\\/]{2,}" if is_share else "" if drive else "/"
            before = rf"(?:^|(?<=[\s\"'`=(\[{{,;<|@{'' if is_share else ':'}])|(?<=file://)|(?<=file:///))"
            after = r"(?=$|[\\/\s\"'`,;:)\]}>|]|\.(?:\s|$))"
            flags = re.IGNORECASE if drive else 0
            value = re.sub(before + lead + separator.join(parts) + after, "~", value, flags=flags)
    return value


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return a dict with the git commit of a checkout and whether files are modified or untracked.

    The keys are ``commit`` and ``changed``. The result is None if the folder is not in a git checkout.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        untracked = git("ls-files", "--others", "--exclude-standard")
        changed = bool(untracked or git("status", "--porcelain", "--untracked-files=no"))
        return {"commit": git("rev-parse", "HEAD"), "changed": changed}
    except (OSError, subprocess.SubprocessError):
        return None
