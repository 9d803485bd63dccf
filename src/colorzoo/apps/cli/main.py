"""Entry point of ``colorzoo``: run a command and return an exit code.

Errors are printed as one line. Exit codes: 0 for success, 1 if part of the work failed, 2 for invalid usage
or input, 130 for Ctrl+C, and 141 if the reader of standard output closed the pipe. ``COLORZOO_DEBUG=1``
prints tracebacks of errors.
"""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType

import colorzoo.apps.cli
from colorzoo.apps.cli._options import Command
from colorzoo.console import printed_warnings, unexpected_message
from colorzoo.environment import installed_version, is_on
from colorzoo.errors import ColorzooError
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.registry import all_cards, plugins

VERBS = {  # module of each command
    module.name.replace("_", "-"): f"colorzoo.apps.cli.{module.name}"
    for module in pkgutil.iter_modules(colorzoo.apps.cli.__path__)
    if not module.name.startswith("_") and module.name != "main"
}
_HELP_FLAGS = ("-h", "--help")
_ABOUT = "image colorization models from papers: train, evaluate and colorize"
LIGHTNING_VERBS = {  # parsed by LightningCLI
    "fit": "train a model",
    "validate": "evaluate a checkpoint on the validation images",
    "test": "evaluate a checkpoint on the test images",
    "predict": "colorize the images of a data set at full size in one or more processes",
}


_TRAINING_HELP = """usage: colorzoo {verb} [--config FILE] [--OPTION VALUE] ...

{about}.

common options:
{options}

examples:
{examples}

`colorzoo {verb} --model.help NAME` and `colorzoo {verb} --data.help NAME` list the model and data options.
`colorzoo {verb} --model NAME --help` lists the trainer options."""
_ALL = " ".join(LIGHTNING_VERBS)
_COMMON_OPTIONS = (  # option, description, commands
    ("--config FILE", "YAML file or built-in configuration (zhang2017/local.yaml); may be repeated", _ALL),
    ("--model NAME", "registered model, or class of a model", "fit validate test"),
    ("--model NAME", "registered model, or class of a model; without it, the default models", "predict"),
    ("--data.root DIR", "folder of images", _ALL),
    ("--output DIR", "folder of the results; finished images are skipped", "predict"),
    ("--data.batch_size N", "images per step, summed over all processes", "fit validate test"),
    ("--trainer.max_steps N", "number of training steps", "fit"),
    ("--trainer.precision NAME", "32 or bf16-mixed", "fit"),
    ("--trainer.accelerator NAME", "cpu, gpu or auto", _ALL),
    ("--trainer.devices N", "number of processes", _ALL),
    ("--init_from SOURCE", "initial weights: a registered model, a weight file or a checkpoint", _ALL),
    ("--ckpt_path FILE", "checkpoint or folder of runs to resume from", "fit"),
    ("--ckpt_path FILE", "checkpoint to evaluate", "validate test"),
    ("--ckpt_path FILE", "checkpoint to use", "predict"),
    ("--metrics NAMES", "metrics, such as psnr,lpips:vgg", "fit validate test"),
)
_CHECKPOINT_EXAMPLE = (
    "colorzoo {} --config runs/version_0/config.yaml --ckpt_path runs/version_0/checkpoints/last.ckpt "
    "--data.root photos"
)
_TRAINING_EXAMPLES = {
    "fit": (
        "colorzoo fit --config zhang2017/local_small.yaml --data.root photos",
        "colorzoo fit --config zhang2017/local_small.yaml --data.root photos --ckpt_path runs",
        "colorzoo fit --model zhang2016_small --init_from zhang2016_small --data.root photos",
    ),
    "validate": (_CHECKPOINT_EXAMPLE.format("validate"),),
    "test": (_CHECKPOINT_EXAMPLE.format("test"),),
    "predict": (
        "colorzoo predict --data.root photos --output colored",
        _CHECKPOINT_EXAMPLE.format("predict") + " --output colored",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        argv: Arguments after ``colorzoo``; None reads them from ``sys.argv``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Open missing streams. A closed descriptor would be reused by the next file, into which C libraries and
    # other processes would then write their messages.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names can contain characters that it cannot encode
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # colorzoo reports damaged images itself
            # the warning is for tensors that are not scaled to [0, 1], but a dark scan can trigger it
            warnings.filterwarnings("ignore", "the input of .* must be lightness")
            code = _dispatch(words)
        sys.stdout.flush()  # raises here, inside the `try`, if the pipe is closed
    except ColorzooError as error:
        if is_on("COLORZOO_DEBUG"):
            raise
        print(f"colorzoo: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(". ".join(["colorzoo: interrupted", *map(str, stop.args)]), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes stdout again at exit, which would print another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as stop:
        if isinstance(stop.code, str):  # an error message, which Python prints at exit
            raise
        return stop.code or 0
    return code


def _dispatch(words: list[str]) -> int:
    """Run the command that the arguments select and return the exit code.

    Raises:
        ColorzooError: The command or its options are wrong, or the command failed, also with an unexpected
            error.
    """
    if not words or not words[0]:  # exit code 2 makes a script fail that passes no command by mistake
        print(_overview("colorzoo", _ABOUT, all_verbs()), file=sys.stderr)
        return 2
    name, *rest = words
    if name in _HELP_FLAGS:
        print(_overview("colorzoo", _ABOUT, all_verbs()))
        return 0
    if name == "--version":
        print(f"colorzoo {installed_version('colorzoo') or '(not installed as a package)'}")
        return 0
    with printed_warnings():  # such as a warning about packages whose models cannot be imported
        if plugins():
            all_cards()
        guidance_kinds()
    asks_help = len(rest) == 1 and rest[0] in _HELP_FLAGS
    if name in LIGHTNING_VERBS:
        if asks_help:
            common = [
                f"  {flag:<31}  {text}" for flag, text, verbs in _COMMON_OPTIONS if name in verbs.split()
            ]
            examples = [f"  {line}" for line in _TRAINING_EXAMPLES[name]]
            about = LIGHTNING_VERBS[name].capitalize()
            blocks = {"options": "\n".join(common), "examples": "\n".join(examples)}
            print(_TRAINING_HELP.format(verb=name, about=about, **blocks))
            return 0
        from colorzoo.apps.cli._predict import PredictCLI
        from colorzoo.training.command import ZooCLI, run_command

        return run_command(words, PredictCLI if name == "predict" else ZooCLI)
    if name not in VERBS:
        raise ColorzooError(f"unknown command {name!r}. Run `colorzoo --help` to list all commands.")
    verb = importlib.import_module(VERBS[name])
    if asks_help and "" not in verb.COMMANDS:
        helps = {subcommand: command.help for subcommand, command in verb.COMMANDS.items()}
        print(_overview(f"colorzoo {name}", verb.HELP, helps))
        return 0
    program, command, arguments = find_command(verb, words)
    options = command.parse(program, arguments)
    try:
        return command.run(options)
    except (ColorzooError, BrokenPipeError):
        raise
    except Exception as error:
        if is_on("COLORZOO_DEBUG"):
            raise
        raise ColorzooError(unexpected_message(error)) from error


def find_command(verb: ModuleType, words: Sequence[str]) -> tuple[str, Command, list[str]]:
    """Find the command or subcommand that command-line arguments select.

    Args:
        verb: Module of `colorzoo.apps.cli` that defines the command and its subcommands.
        words: Arguments after ``colorzoo``; the first argument is the name of the command.

    Returns:
        Full name such as ``colorzoo weights list``, the `Command`, and the arguments after the name.

    Raises:
        ColorzooError: The subcommand is missing or unknown.
    """
    name, *arguments = words
    if "" in verb.COMMANDS:  # the command has no subcommands
        return f"colorzoo {name}", verb.COMMANDS[""], arguments
    subcommand = arguments.pop(0) if arguments else None
    if subcommand in verb.COMMANDS:
        return f"colorzoo {name} {subcommand}", verb.COMMANDS[subcommand], arguments
    got = "nothing" if subcommand is None else repr(subcommand)
    raise ColorzooError(
        f"the subcommand of `colorzoo {name}` must be one of {', '.join(verb.COMMANDS)}, got {got}"
    )


def all_verbs() -> dict[str, str]:
    """Return a dict that maps the names of all commands, sorted, to one-line help texts."""
    helps = {name: importlib.import_module(module).HELP for name, module in VERBS.items()}
    return dict(sorted((LIGHTNING_VERBS | helps).items()))


def _overview(name: str, about: str, commands: Mapping[str, str]) -> str:
    """Return the help text of a program or command with subcommands."""
    width = max(map(len, commands))
    rows = "\n".join(f"  {command:{width}}  {line}" for command, line in commands.items())
    return f"""usage: {name} [-h]{" [--version]" if name == "colorzoo" else ""} COMMAND ...

{about[:1].upper()}{about[1:]}.

commands:
{rows}

`{name} COMMAND --help` shows the options of a command, with examples."""
