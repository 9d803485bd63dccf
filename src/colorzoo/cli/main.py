"""Entry point of ``colorzoo``: find the verb, run it, and turn errors into one line and an exit code.

Exit codes: 0 success, 1 some of the work failed, 2 bad usage or bad input, 130 interrupted, 141 the reader of
a pipe has closed it. With ``COLORZOO_DEBUG=1`` errors keep their traceback.
"""

from __future__ import annotations

import atexit
import difflib
import gc
import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, cast

import colorzoo.cli
from colorzoo.cli._options import Command
from colorzoo.cli._output import printed_warnings
from colorzoo.environment import is_on
from colorzoo.errors import ColorzooError
from colorzoo.registry import all_cards, plugins

_ABOUT = "a zoo of image colorization papers: train, colorize, measure, draw"
LIGHTNING_VERBS = {  # their arguments are parsed by Lightning's command line
    "fit": "train a model on your data",
    "validate": "measure a checkpoint on the validation images",
    "test": "measure a checkpoint on the test images",
    "predict": "color the images of a data set at full size, with any number of processes",
}


_TRAINING_HELP = """usage: colorzoo {verb} [--config FILE] [--OPTION VALUE] ...

{about}.

common options:
  --config FILE                    YAML file, or one that ships, such as zhang2017/local.yaml; may be repeated
  --model NAME                     class of the model, in place of the configuration's
  --data.root DIR                  folder of images
  --data.batch_size N              images per step, over all processes
  --trainer.max_steps N            length of a training
  --trainer.accelerator NAME       cpu, gpu or auto
  --trainer.default_root_dir DIR   folder of the run, also s3://BUCKET/FOLDER
  --init_from SOURCE               weights to start from: a registered model, a weight file or a checkpoint
  --ckpt_path FILE                 checkpoint to resume or to measure
  --print_config                   print all settings and exit

examples:
  colorzoo fit --config zhang2017/local.yaml --data.root photos
  colorzoo validate --config zhang2017/local.yaml --data.root photos --ckpt_path last.ckpt
  colorzoo predict --config zhang2017/local.yaml --data.root photos --output colored

`colorzoo {verb} --model NAME --help` lists every option of trainer, model and data."""


class Verb(Protocol):
    """Interface of a module of `colorzoo.cli` that is a verb named like the module.

    Attributes:
        HELP: One line for the list of verbs.
        COMMANDS: The actions of the verb by name; a verb without actions has one, named ``""``.
    """

    HELP: str
    COMMANDS: dict[str, Command]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Words after ``colorzoo``; those of the process by default.

    Returns:
        The exit code of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        atexit.register(gc.freeze)  # collecting the objects of torch at exit would take half a second
    try:
        with warnings.catch_warnings():
            # colorzoo itself says what it cannot read of an image
            warnings.filterwarnings("ignore", module=r"PIL\.")
            # this warns whoever passes a tensor of another range; a scan may be that dark
            warnings.filterwarnings("ignore", ".*nearly black")
            code = _dispatch(words)
        sys.stdout.flush()  # here, so that a closed pipe raises inside this `try`
    except ColorzooError as error:
        if is_on("COLORZOO_DEBUG"):
            raise
        print(f"colorzoo: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("colorzoo: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes stdout again at exit, which would print another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    return code


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        # a script that lost its verb must not seem to succeed
        print(_overview("colorzoo", _ABOUT, all_verbs()), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        try:
            print(f"colorzoo {version('colorzoo')}")
        except PackageNotFoundError:
            print("colorzoo (not installed as a package)")
        return 0
    if words[0].startswith("-"):
        raise ColorzooError(f"unknown option {words[0]!r} before a verb; see `colorzoo --help`")
    verb = find_verb(words[0])
    if verb is not None:
        if "" not in verb.COMMANDS and words[1:] in (["-h"], ["--help"]):
            print(_overview(f"colorzoo {words[0]}", verb.HELP, {k: c.help for k, c in verb.COMMANDS.items()}))
            return 0
        name, command, rest = find_command(verb, words)
        options = command.parse(name, rest)
        _find_models()
        return _run(command, options)
    if words[0] in LIGHTNING_VERBS:
        if words[1:] in (["-h"], ["--help"]):
            print(_TRAINING_HELP.format(verb=words[0], about=LIGHTNING_VERBS[words[0]].capitalize()))
            return 0
        _find_models()
        return run_lightning(words)
    near = difflib.get_close_matches(words[0], all_verbs(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`colorzoo --help` lists all verbs."
    raise ColorzooError(f"unknown verb {words[0]!r}; {hint}")


def _find_models() -> None:
    """Scan for models of installed packages, and print a line for each package that is skipped."""
    if plugins():
        with printed_warnings():
            all_cards()


def find_command(verb: Verb, words: Sequence[str]) -> tuple[str, Command, list[str]]:
    """Return the name of a command, the command, and the words of its options.

    Args:
        verb: The verb.
        words: The words after ``colorzoo``, the verb first.

    Raises:
        ColorzooError: The verb has no such action.
    """
    if "" in verb.COMMANDS:
        return f"colorzoo {words[0]}", verb.COMMANDS[""], list(words[1:])
    if len(words) > 1 and words[1] in verb.COMMANDS:
        return f"colorzoo {words[0]} {words[1]}", verb.COMMANDS[words[1]], list(words[2:])
    got = f"got {words[1]!r}" if len(words) > 1 else "it is missing"
    raise ColorzooError(f"the action of colorzoo {words[0]} must be {', '.join(verb.COMMANDS)}; {got}")


def _run(command: Command, options: Any) -> int:
    try:
        return command.run(options)
    except (ColorzooError, BrokenPipeError):
        raise
    except Exception as error:
        if is_on("COLORZOO_DEBUG"):
            raise
        raise ColorzooError(
            f"unexpected {type(error).__name__}: {error} (COLORZOO_DEBUG=1 shows where; please report it "
            "with the output of `colorzoo doctor`)"
        ) from error


def run_lightning(words: list[str]) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict``; see `colorzoo.training.command.run`."""
    from colorzoo.training import command

    verb, *rest = words
    return command.run(verb, rest)


def find_verb(name: str) -> Verb | None:
    """Import and return the module of one verb, or None when there is no such verb."""
    module_name = name.replace("-", "_")
    if "_" in name or module_name not in _verb_modules():
        return None
    return cast(Verb, importlib.import_module(f"colorzoo.cli.{module_name}"))


def all_verbs() -> dict[str, str]:
    """Return the line of help of every verb, sorted by name."""
    helps = {name.replace("_", "-"): _help(name) for name in _verb_modules()}
    return dict(sorted((LIGHTNING_VERBS | helps).items()))


def _help(module_name: str) -> str:
    return str(importlib.import_module(f"colorzoo.cli.{module_name}").HELP)


def _verb_modules() -> set[str]:
    found = {module.name for module in pkgutil.iter_modules(colorzoo.cli.__path__)}
    return {name for name in found if not name.startswith("_")} - {"main"}


def _overview(name: str, about: str, commands: Mapping[str, str]) -> str:
    """Return the help of a program or verb that consists of commands."""
    width = max(map(len, commands))
    rows = [f"  {command:{width}}  {line}" for command, line in commands.items()]
    return "\n".join(
        [
            f"usage: {name} [-h]{' [--version]' if name == 'colorzoo' else ''} COMMAND ...",
            "",
            f"{about[:1].upper()}{about[1:]}.",
            "",
            "commands:",
            *rows,
            "",
            f"`{name} COMMAND --help` shows the options of a command, with examples.",
        ]
    )
