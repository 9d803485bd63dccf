"""Sweeps without a server: the trials of a sweep file of Weights & Biases, in turn or as an array.

Each trial has a folder of its own and goes on there after an interruption. Nothing is shared between trials
but the table, which is made of what is in their folders, so any number of processes may run some of them.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorzoo.atomic import write_atomic
from colorzoo.errors import ColorzooError
from colorzoo.training.configs import load_config

TABLE, RECORD = "results.csv", "trial.json"
"""The table of a sweep, and the file of each trial."""

_METRICS = "metrics.csv"
_ENVIRONMENT = re.compile(r"\$\{envvar:(\w+)\}")
_WIDTH = 4  # digits of the number in a folder's name


@dataclass(frozen=True)
class Sweep:
    """A sweep file.

    Attributes:
        command: Words of the command, with ``${args}`` and ``${envvar:NAME}``.
        parameters: What each parameter takes: ``value``, ``values``, or ``min`` and ``max``.
        method: ``"grid"`` or ``"random"``.
        metric: The number by which trials are compared, or None.
        maximize: Whether more of it is better.
    """

    command: tuple[str, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    method: str
    metric: str | None
    maximize: bool


@dataclass(frozen=True)
class Trial:
    """One setting of all parameters.

    Attributes:
        number: Its number in the sweep, from 0.
        values: Value of each parameter.
        folder: Where it is trained.
    """

    number: int
    values: Mapping[str, Any]
    folder: Path


def read_sweep(path: Path, method: str | None = None) -> Sweep:
    """Read a sweep file.

    Args:
        path: The file, as ``wandb sweep`` takes it.
        method: In place of the file's.

    Raises:
        ColorzooError: It cannot be read, or needs wandb's server.
    """
    content = load_config(path)
    if not isinstance(content, Mapping) or not isinstance(content.get("parameters"), Mapping):
        raise ColorzooError(f"sweep {path}: it needs `command` and `parameters`; see configs/sweeps.")
    command = content.get("command")
    if not isinstance(command, list) or "fit" not in command:
        raise ColorzooError(f"sweep {path}: `command` must be a list of words with `fit` among them.")
    method = method or content.get("method", "grid")
    if method not in ("grid", "random"):
        raise ColorzooError(
            f"sweep {path}: the method {method!r} needs the server of wandb; use --method random or grid."
        )
    metric = content.get("metric") or {}
    parameters = {name: dict(choice) for name, choice in content["parameters"].items()}
    return Sweep(
        tuple(map(str, command)), parameters, method, metric.get("name"), metric.get("goal") == "maximize"
    )


def trials(sweep: Sweep, out: Path, count: int | None, seed: int) -> list[Trial]:
    """Return the trials of a sweep, the same for the same arguments.

    Args:
        sweep: The sweep.
        out: Folder of all trials.
        count: Their number; None is all of a grid.
        seed: Seed of a random search.

    Raises:
        ColorzooError: A grid has a range of numbers, a random search no number of trials, or a parameter
            neither values nor a range.
    """
    if sweep.method == "random":
        if count is None:
            raise ColorzooError("a random search needs --count, the number of its trials.")
        generator = random.Random(seed)
        settings: Iterator[dict[str, Any]] = (
            {name: _drawn(name, choice, generator) for name, choice in sweep.parameters.items()}
            for _ in range(count)
        )
    else:
        lists = {name: _listed(name, choice) for name, choice in sweep.parameters.items()}
        products = (dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))
        settings = itertools.islice(products, count)
    return [Trial(n, values, out / f"trial_{n:0{_WIDTH}}") for n, values in enumerate(settings)]


def words_of(sweep: Sweep, trial: Trial) -> list[str]:
    """Return the words of a trial's command after ``colorzoo``; its folder is named last, so that it counts.

    Raises:
        ColorzooError: The command names a variable of the environment that is not set.
    """
    given = list(sweep.command)
    words: list[str] = []
    for word in given[given.index("fit") :]:
        if word in ("${args}", "${args_no_hyphens}"):
            words += [f"--{name}={_text(value)}" for name, value in trial.values.items()]
        else:
            words.append(_ENVIRONMENT.sub(_variable, word))
    return [*words, f"--trainer.default_root_dir={trial.folder}", f"--ckpt_path={trial.folder}"]


def run_trial(sweep: Sweep, trial: Trial) -> int:
    """Run a trial to its end, or say that it is done; return the exit code of ``fit``."""
    if _record(trial).get("code") == 0:
        return 0
    words = words_of(sweep, trial)
    trial.folder.mkdir(parents=True, exist_ok=True)
    # without a server; a mode of the user's has precedence
    environment = {"WANDB_MODE": "offline", **os.environ}
    code = subprocess.run([sys.executable, "-m", "colorzoo", *words], env=environment, check=False).returncode
    content = {"values": dict(trial.values), "command": ["colorzoo", *words], "code": code}
    write_atomic(trial.folder / RECORD, json.dumps(content, indent=1).encode())
    return code


def write_table(sweep: Sweep, every: Sequence[Trial], out: Path) -> list[dict[str, Any]]:
    """Write the table of all trials that were run, the best first, and return its rows."""
    rows = [_row(sweep, trial) for trial in every if _record(trial)]
    sign = -1 if sweep.maximize else 1
    rows.sort(key=lambda row: (row["metric"] is None, sign * (row["metric"] or 0), row["trial"]))
    text = io.StringIO()
    table = csv.DictWriter(text, ["trial", "state", *sweep.parameters, sweep.metric or "metric"])
    table.writeheader()
    for row in rows:
        shown = {key: value for key, value in row.items() if key != "metric"}
        table.writerow({**shown, sweep.metric or "metric": "" if row["metric"] is None else row["metric"]})
    write_atomic(out / TABLE, text.getvalue().encode())
    return rows


def _row(sweep: Sweep, trial: Trial) -> dict[str, Any]:
    code = _record(trial).get("code")
    state = "done" if code == 0 else f"ended with {code}"
    return {"trial": trial.number, "state": state, **trial.values, "metric": _best(sweep, trial.folder)}


def _best(sweep: Sweep, folder: Path) -> float | None:
    """Return the best value of the metric in the tables of a trial."""
    found = []
    for path in folder.rglob(_METRICS):
        with path.open(encoding="utf-8", newline="") as file:
            found += [float(row[sweep.metric]) for row in csv.DictReader(file) if row.get(sweep.metric or "")]
    finite = [value for value in found if math.isfinite(value)]
    if not finite:
        return None
    return max(finite) if sweep.maximize else min(finite)


def _record(trial: Trial) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((trial.folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if content.get("values") != json.loads(json.dumps(dict(trial.values))):
        raise ColorzooError(f"{trial.folder} is a trial of another sweep; choose another folder with -o.")
    return content


def _listed(name: str, choice: Mapping[str, Any]) -> list[Any]:
    if "values" in choice:
        return list(choice["values"])
    if "value" in choice:
        return [choice["value"]]
    raise ColorzooError(f"sweep: {name} is a range, which a grid cannot take; use --method random.")


def _drawn(name: str, choice: Mapping[str, Any], generator: random.Random) -> Any:
    if "values" in choice or "value" in choice:
        return generator.choice(_listed(name, choice))
    low, high = choice.get("min"), choice.get("max")
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        raise ColorzooError(f"sweep: {name} needs value, values, or min and max.")
    if str(choice.get("distribution", "")).startswith("log_uniform_values"):
        return math.exp(generator.uniform(math.log(low), math.log(high)))
    if isinstance(low, int) and isinstance(high, int) and choice.get("distribution") != "uniform":
        return generator.randint(low, high)
    return generator.uniform(low, high)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _variable(found: re.Match[str]) -> str:
    if (value := os.environ.get(found[1])) is None:
        raise ColorzooError(f"the sweep's command needs the variable {found[1]}; set it before.")
    return value
