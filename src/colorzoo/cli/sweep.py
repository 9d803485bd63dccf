"""``colorzoo sweep``: run the trials of a sweep file on this machine or as a SLURM array."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from colorzoo.errors import ColorzooError

NAME = "sweep"
HELP = "train with several settings, compared in one table, without a server"
EXAMPLE = """
DATA=/pictures colorzoo sweep sweeps/zhang2017_hints.yaml -o hints
DATA=/pictures colorzoo sweep mine.yaml -o mine --method random --count 20
sbatch --array=0-7 --wrap "colorzoo sweep sweeps/zhang2016_width.yaml -o width"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("file", help="a sweep file of wandb, your own or one below configs/sweeps")
    parser.add_argument("-o", "--output", required=True, help="folder of the trials and their table")
    parser.add_argument("--method", choices=("grid", "random"), help="in place of the file's")
    parser.add_argument("--count", type=int, help="number of trials (default: the whole grid)")
    parser.add_argument("--seed", type=int, default=0, help="seed of a random search (default: 0)")
    parser.add_argument(
        "--trial", type=int, help="run this one only (default: SLURM_ARRAY_TASK_ID if it is set, else all)"
    )
    parser.add_argument("--list", action="store_true", help="print the command of each trial and run none")


def run(args: argparse.Namespace) -> int:
    """Run the trials that are not done, and write the table after each.

    Returns:
        1 if a trial failed; the code of an interrupted one at once.

    Raises:
        ColorzooError: The file cannot be run here, or there is no such trial.
    """
    from colorzoo.training.configs import find_config
    from colorzoo.training.sweeps import read_sweep, run_trial, trials, words_of, write_table

    sweep, out = read_sweep(find_config(args.file), args.method), Path(args.output)
    every = trials(sweep, out, args.count, args.seed)
    array = os.environ.get("SLURM_ARRAY_TASK_ID")
    number = int(array) if args.trial is None and array is not None else args.trial
    if number is not None and not 0 <= number < len(every):
        raise ColorzooError(f"there is no trial {number}; the sweep has {len(every)}, from 0.")
    chosen = every if number is None else [every[number]]
    if args.list:
        for trial in chosen:
            print(shlex.join(["colorzoo", *words_of(sweep, trial)]))
        return 0
    failed = False
    for trial in chosen:
        shown = ", ".join(f"{name}={value}" for name, value in trial.values.items())
        print(f"colorzoo: trial {trial.number} of {len(every)}: {shown}", file=sys.stderr)
        code = run_trial(sweep, trial)
        write_table(sweep, every, out)
        if code < 0 or code >= 128:  # a signal ended it: the same command goes on
            return code if code > 0 else 128 - code
        failed |= code != 0
    return int(failed)
