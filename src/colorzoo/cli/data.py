"""``colorzoo data``: prepare data sets."""

from __future__ import annotations

import argparse

from colorzoo.cli._data_shard import add_shard, run_shard

NAME = "data"
HELP = "pack data sets into shards"
EXAMPLE = "colorzoo data shard imagenet shards --short-side 256"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action ``shard`` and its options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{shard}")
    add_shard(actions)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action and return the exit code."""
    return run_shard(args)
