"""Entry point of the command line: verbs, errors and exit codes, without torch."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from colorzoo.cli import main as entry
from colorzoo.cli import models
from colorzoo.cli.main import main
from colorzoo.errors import PictureError

HEAVY = ("torch", "lightning", "kornia", "numpy")


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the verb `models` raise a given exception."""

    def arrange(error: BaseException) -> None:
        def run(_: argparse.Namespace) -> int:
            raise error

        monkeypatch.setattr(models, "run", run)

    return arrange


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replace the Lightning verbs, and return the list of argument lists that they receive."""
    calls: list[list[str]] = []
    monkeypatch.setattr(entry, "LIGHTNING_VERBS", {"fit": "train 100% of a model"})
    monkeypatch.setattr(entry, "run_lightning", lambda argv: calls.append(argv) or 5)
    return calls


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str], lightning: list[list[str]]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "train 100% of a model" in out
    assert models.HELP in out
    assert set(entry.all_verbs()) >= {"doctor", "fit", "models"}


def test_no_verb_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "verbs:" in err


@pytest.mark.parametrize("name", [name for name in entry.all_verbs() if entry.find_verb(name)])
def test_the_help_of_every_verb_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: colorzoo {name}" in out
    assert f"colorzoo {name}" in out.partition("examples:")[2]


def test_lightning_verbs_get_their_arguments_untouched(lightning: list[list[str]]) -> None:
    assert main(["fit", "--help", "--model.x", "3"]) == 5
    assert lightning == [["fit", "--help", "--model.x", "3"]]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("colorzoo ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["modles"], "unknown verb 'modles'; did you mean models?"),
        (["main"], "unknown verb 'main'"),
        (["_output"], "unknown verb '_output'"),
        (["qqq"], "`colorzoo --help` lists all verbs."),
        (["--loud"], "unknown option '--loud'"),
        (["models", "--loud"], "unrecognized arguments: --loud; see `colorzoo models --help`"),
        (["models", "--guidance", "mood"], "invalid choice: 'mood'"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("colorzoo: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_the_users_errors_are_one_line(
    raising: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    raising(PictureError("a.jpg:\n  is no picture"))
    assert main(["models"]) == 2
    assert capsys.readouterr().err == "colorzoo: error: a.jpg: is no picture\n"


def test_debug_shows_the_traceback(
    raising: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORZOO_DEBUG", "1")
    raising(PictureError("bad"))
    with pytest.raises(PictureError, match="bad"):
        main(["models"])


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (SystemExit(), 0), (SystemExit(3), 3), (SystemExit("no"), 1)],
)
def test_exit_codes_of_other_exceptions(
    raising: Callable[[BaseException], None], error: BaseException, code: int
) -> None:
    raising(error)
    assert main(["models"]) == code


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "colorzoo", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("words", [["--help"], ["models", "--json"]])
def test_light_verbs_import_nothing_heavy(words: list[str]) -> None:
    code = f"""import sys
from colorzoo.cli.main import main
assert main({words!r}) == 0
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"


def test_the_module_runs_as_a_program() -> None:
    words = [sys.executable, "-m", "colorzoo", "--help"]
    assert "colorize" in subprocess.run(words, capture_output=True, text=True, check=True).stdout
