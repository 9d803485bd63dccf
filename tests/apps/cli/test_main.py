"""Entry point of the command line: commands, options, errors and exit codes."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from colorzoo.apps.cli import main as entry
from colorzoo.apps.cli import models
from colorzoo.apps.cli._options import Command
from colorzoo.apps.cli.main import main
from colorzoo.errors import ColorzooError, ImageError
from colorzoo.options import argument, option
from colorzoo.settings import Range
from tiny_model import Refused

COMMANDS = [
    (f"{name} {action}".strip(), command)
    for name, module in entry.VERBS.items()
    for action, command in import_module(module).COMMANDS.items()
]


@dataclass(frozen=True, kw_only=True)
class Brush:
    """Options of a test command."""

    canvas: Path = argument("where to paint", "CANVAS")
    strokes: list[str] = argument("strokes", "STROKE", default=[], nargs="*")
    size: Annotated[int, Range(1, 9)] | None = option(None, "diameter in pixels", "form", "-s", "--size")
    soft: bool = option(False, "fade the stroke")
    shape: Literal["round", "flat"] = option("round", "shape of the brush")
    colors: list[str] = option([], "color; may be repeated", "", "--color")
    weights: list[float] | None = option(None, "weight of each color", metavar="W,W")
    pair: list[Path] | None = option(None, "two files", metavar=("A", "B"), nargs=2)
    crop: str | None = option(None, "part to paint")


BRUSH = Command("paint a stroke", "brush a.png", Brush, lambda _: 0)


def test_command_parse_sets_option_fields() -> None:
    cases: dict[str, dict[str, Any]] = {
        "": {},
        "-s 3 --soft --shape flat": {"size": 3, "soft": True, "shape": "flat"},
        "x y --color red --color null": {"strokes": ["x", "y"], "colors": ["red", "null"]},
        "--weights 2,1": {"weights": [2.0, 1.0]},
        "--pair b c": {"pair": [Path("b"), Path("c")]},
        "--crop -5,.5 --color -.5,4=red": {"crop": "-5,.5", "colors": ["-.5,4=red"]},
        "--crop null": {"crop": "null"},
        "--crop 1e3": {"crop": "1e3"},
    }
    for words, changed in cases.items():
        options = BRUSH.parse("brush", ["a.png", *words.split()])
        assert options == replace(Brush(canvas=Path("a.png")), **changed)


def test_command_parse_errors_name_the_option() -> None:
    for words in (
        ["--size", "large"],
        ["--size", "2.5"],
        ["--size", "10"],
        ["--size", "0"],
        ["--shape", "square"],
        ["--weights", "2,one"],
        ["--crop", ""],
        ["--crop="],
        ["--siz", "3"],
        ["--blue"],
    ):
        with pytest.raises(ColorzooError, match=words[0].rstrip("=")) as caught:
            BRUSH.parse("brush", ["a.png", *words])
        assert "Parser key" not in str(caught.value)


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the command `models` raise an exception."""

    def arrange(error: BaseException) -> None:
        def run(_: object) -> int:
            raise error

        monkeypatch.setitem(models.COMMANDS, "", replace(models.COMMANDS[""], run=run))

    return arrange


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h"]) == 0
    out, err = capsys.readouterr()
    text, verbs = " ".join(out.split()), entry.all_verbs()
    assert (err, verbs["models"]) == ("", models.HELP)
    assert {"fit", "colorize", "new-paper"} < verbs.keys()
    assert all(f"{name} {line}" in text for name, line in verbs.items())


def test_main_without_command_prints_help_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert (out, "colorize" in err) == ("", True)


def test_subcommands_are_listed_and_required(capsys: pytest.CaptureFixture[str], refused: Refused) -> None:
    name = "weights"
    verb = import_module(entry.VERBS[name])
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    for words in ([name], [name, "sing"]):
        message = refused(*words)
        assert all(action in message and action in out for action in verb.COMMANDS)


def test_invalid_usage_is_one_line(refused: Refused) -> None:
    cases = {name: name for name in ("modles", "main", "_output", "new_paper", "--loud")}
    cases |= {
        f"models {option}": option for option in ("--loud", "--version", "--guidance mood", "--guid points")
    }
    for words, named in cases.items():
        assert named.split()[-1 if "mood" in named else 0] in refused(*words.split())


def test_colorzoo_errors_are_one_line(raising: Callable[[BaseException], None], refused: Refused) -> None:
    raising(ImageError("a.jpg:\n  is no image"))
    assert refused("models") == "colorzoo: error: a.jpg: is no image"


def test_unexpected_errors_are_one_line_without_debug(
    raising: Callable[[BaseException], None], refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(ZeroDivisionError("division\nby zero"))
    assert "ZeroDivisionError" in refused("models")
    monkeypatch.setenv("COLORZOO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["models"])


def test_main_returns_exit_codes_of_interrupt_and_system_exit(
    raising: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for error, code, message in (
        (KeyboardInterrupt(), 130, "colorzoo: interrupted\n"),
        (KeyboardInterrupt("Repeat the command."), 130, "colorzoo: interrupted. Repeat the command.\n"),
        (SystemExit(), 0, ""),
        (SystemExit(3), 3, ""),
    ):
        raising(error)
        assert (main(["models"]), *capsys.readouterr()) == (code, "", message)


def test_closed_pipe_prints_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "colorzoo", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_help_does_not_import_torch() -> None:
    code = """import sys
from colorzoo.apps.cli import main as entry
for words in (["--help"], ["models", "--json"], *([name, "--help"] for name in entry.all_verbs())):
    assert entry.main(words) == 0
heavy = ("torch", "lightning", "kornia")
print([name for name in heavy if name in sys.modules], file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"


def test_imported_objects_are_excluded_from_garbage_collection() -> None:
    code = """import gc
from colorzoo.apps.cli.colorize import import_torch
import_torch()
print(gc.isenabled(), gc.get_freeze_count() > 100_000)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True True\n", "")
