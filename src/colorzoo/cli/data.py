"""``colorzoo data``: look after data sets."""

from __future__ import annotations

import argparse

from colorzoo.cli._data_prior import add_prior, run_prior
from colorzoo.cli._data_shard import add_shard, run_shard
from colorzoo.cli._data_verify import add_verify, run_verify

NAME = "data"
HELP = "verify data sets, pack them into shards, count their colors"
EXAMPLE = """
colorzoo data shard imagenet shards --short-side 256
colorzoo data verify photos
colorzoo data prior photos -o prior.npy
colorzoo data verify /datasets/imagenet --layout imagenet --json > report.json
"""

_RUN = {"prior": run_prior, "shard": run_shard, "verify": run_verify}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{" + ",".join(_RUN) + "}")
    add_prior(actions)
    add_shard(actions)
    add_verify(actions)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action and return the exit code."""
    return _RUN[args.action](args)
