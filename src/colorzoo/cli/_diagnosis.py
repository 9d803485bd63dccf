"""What ``colorzoo doctor`` finds out about this machine; nothing here needs a network."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.cli._requirements import Extra, core_packages, declared_requirements, extras, installed_version

if TYPE_CHECKING:
    from colorzoo.weights.catalog import WeightFile
    from colorzoo.weights.ledger import FileState

# Instructions that multiply bfloat16 in hardware: x86 names, then the one of Arm.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})


@dataclass(frozen=True)
class Embedded:
    """A weight file that ships inside the package.

    Attributes:
        model: Registered name of its model.
        path: Where the file is or should be.
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
        tag: Which of its weights.
        path: Where the file is.
        state: See `colorzoo.weights.ledger.FileState`.
        reason: What is wrong with it.
    """

    model: str
    tag: str
    path: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything a bug report should say.

    Attributes:
        python: Version of the interpreter.
        system: Operating system and processor.
        colorzoo: Installed version; None when it runs from a checkout.
        packages: Version of each core dependency; None when it is not installed.
        device: What ``auto`` would compute on, or why torch does not start.
        cpu_bf16: Whether the CPU multiplies bfloat16 in hardware; None where that cannot be told.
        cache: Folder of downloaded weights.
        embedded: Weights inside the package.
        fetched: Weights in the cache.
        extras: Optional parts.
        problems: What must be mended, one line each; empty when all is well.
    """

    python: str
    system: str
    colorzoo: str | None
    packages: dict[str, str | None]
    device: str
    cpu_bf16: bool | None
    cache: str
    embedded: list[Embedded]
    fetched: list[Fetched]
    extras: list[Extra]
    problems: list[str]


def diagnose() -> Diagnosis:
    """Look at this machine; takes as long as importing torch."""
    from colorzoo.weights.catalog import cache_home

    requirements = declared_requirements()
    packages = {name: installed_version(name) for name in core_packages(requirements)}
    device, broken = find_device()
    embedded, fetched = embedded_weights(), fetched_weights()
    return Diagnosis(
        python=platform.python_version(),
        system=f"{platform.platform()} {platform.machine()}",
        colorzoo=installed_version("colorzoo"),
        packages=packages,
        device=device,
        cpu_bf16=cpu_bf16(Path("/proc/cpuinfo")),
        cache=str(cache_home()),
        embedded=embedded,
        fetched=fetched,
        extras=extras(requirements),
        problems=[*_missing(packages), *broken, *_unfit(embedded), *_unused(fetched)],
    )


def find_device() -> tuple[str, list[str]]:
    """Return the device that ``auto`` means, and the problems met while asking torch."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library of torch that does not load
        return "none", [f"torch does not start: {error}"]
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})", []
    if torch.backends.mps.is_available():
        return "mps", []
    return f"cpu ({torch.get_num_threads()} threads)", []


def cpu_bf16(cpuinfo: Path) -> bool | None:
    """Tell whether the CPU multiplies bfloat16 in hardware.

    Args:
        cpuinfo: The file in which Linux lists the processor's instructions.

    Returns:
        None where there is no such file.
    """
    if not cpuinfo.is_file():
        return None
    return not _BF16_FLAGS.isdisjoint(cpuinfo.read_text(errors="replace").split())


def embedded_weights() -> list[Embedded]:
    """Check every weight file that ships inside the package against the hash on its card."""
    from colorzoo.weights.catalog import list_weights

    rows = [row for row in list_weights() if row.weights.file is not None]
    return [Embedded(row.model, str(row.path), _state(inspect_file(row, thorough=True))) for row in rows]


def fetched_weights() -> list[Fetched]:
    """Say of every file in the cache what is known of it; one that is known is not hashed again."""
    from colorzoo.weights.catalog import list_weights

    rows = [row for row in list_weights() if row.where == "cached"]
    states = [(row, inspect_file(row)) for row in rows]
    return [Fetched(row.model, row.tag, str(row.path), state.verdict, state.reason) for row, state in states]


def inspect_file(row: WeightFile, *, thorough: bool = False) -> FileState:
    """Say what is known of a row of the catalogue."""
    from colorzoo.weights.ledger import inspect

    return inspect(row.weights, row.path, thorough=thorough)


def _state(state: FileState) -> str:
    return {"embedded": "ok", "missing": "missing"}.get(state.verdict, "damaged")


def _missing(packages: dict[str, str | None]) -> list[str]:
    return [
        f"{name} is not installed; run `python -m pip install {name}`"
        for name, found in packages.items()
        if found is None
    ]


def _unfit(embedded: list[Embedded]) -> list[str]:
    return [
        f"the embedded weights of {row.model} are {row.state} ({row.path}); install colorzoo again"
        for row in embedded
        if row.state != "ok"
    ]


def _unused(fetched: list[Fetched]) -> list[str]:
    return [
        f"{row.path} is not used: {row.reason}; `colorzoo weights fetch {row.model} --tag {row.tag}`"
        for row in fetched
        if row.reason
    ]
