"""``colorzoo fit|validate|test|predict``: verbs whose arguments Lightning's command line parses."""

from __future__ import annotations

from collections.abc import Sequence

VERBS = {
    "fit": "train a model on your data",
    "validate": "measure a checkpoint on the validation pictures",
    "test": "measure a checkpoint on the test pictures",
    "predict": "color the pictures of a data set at full size, with any number of processes",
}


def run(argv: Sequence[str]) -> int:
    """Run one of the four verbs; see `colorzoo.training.command.run`."""
    from colorzoo.training.configs import resolve_configs
    from colorzoo.training.resuming import resolve_checkpoint

    words = resolve_checkpoint(resolve_configs(argv))  # before the slow imports
    from colorzoo.training import command

    return command.run(words)
