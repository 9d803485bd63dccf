"""Entry point of the command line: verbs, errors and exit codes, without torch."""

import argparse
import io
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version

import pytest

from colorzoo.cli import main as entry
from colorzoo.cli import models
from colorzoo.cli._output import align, print_line, printed_warnings
from colorzoo.cli.main import main
from colorzoo.errors import PictureError
from colorzoo.training.arguments import read_arguments
from tiny_model import Refused

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


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_lists_every_verb(
    word: str, capsys: pytest.CaptureFixture[str], lightning: list[list[str]]
) -> None:
    assert main([word]) == 0
    out, err = capsys.readouterr()
    text, verbs = " ".join(out.split()), entry.all_verbs()
    assert text.startswith("usage: colorzoo [-h] [--version] VERB ... A zoo of image colorization papers: ")
    assert " ".join(f"{name} {line}" for name, line in verbs.items()) in text
    assert (verbs["fit"], verbs["models"], err) == ("train 100% of a model", models.HELP, "")
    assert text.endswith("`colorzoo VERB --help` shows the arguments of a verb, with examples.")


def test_no_verb_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "verbs:" in err


VERBS = pytest.mark.parametrize("name", [name for name in entry.all_verbs() if entry.find_verb(name)])


@VERBS
def test_the_help_of_every_verb_and_action_has_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = entry.find_verb(name)
    assert verb is not None
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: colorzoo {name}")
    assert f"\n{verb.HELP}\n" in out
    assert out.partition("examples:\n")[2].split("\n") == [
        *(f"  {line}" for line in verb.EXAMPLE.strip().splitlines()),
        "",
    ]
    for action, (about, _) in actions_of(entry.verb_parser(verb)).items():
        assert main([name, action, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert f"{action} {about}" in " ".join(out.split())
        assert f" {about[0].upper()}{about[1:]}" in text
        assert f"example: colorzoo {name} {action} " in text


def actions_of(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return help and parser of each action of a verb, such as ``list`` of ``weights``."""
    found = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return {
        one.dest: (one.help or "", each.choices[one.dest]) for each in found for one in each._choices_actions
    }


@VERBS
def test_numbers_are_told_that_are_defaults_and_no_switch_is_on(name: str, refused: Refused) -> None:
    verb = entry.find_verb(name)
    assert verb is not None
    parser = entry.verb_parser(verb)
    actions = actions_of(parser)
    for each in (
        option for part in (parser, *(part for _, part in actions.values())) for option in part._actions
    ):
        if each.nargs == 0:
            assert each.default in (False, argparse.SUPPRESS)
        elif isinstance(each.default, int | float):
            told = (each.help or "") % vars(each)
            assert re.search(rf"\bdefault:? {each.default:g}\b", told) or "default: one per core" in told
    if actions:
        assert f"the following arguments are required: {{{','.join(actions)}}}" in refused(name)


def test_lightning_verbs_get_their_arguments_untouched(lightning: list[list[str]]) -> None:
    assert main(["fit", "--help", "--model.x", "3"]) == 5
    assert lightning == [["fit", "--help", "--model.x", "3"]]


@pytest.mark.parametrize("verb", ["fit", "validate", "predict"])
def test_training_listens_to_signals_before_its_slow_imports(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr("colorzoo.training.requeue.listen_early", lambda: told.append("listening"))
    monkeypatch.setattr(
        "colorzoo.training.resuming.resolve_checkpoint", lambda *given: (told.append(given), given[1])[1]
    )
    monkeypatch.setattr("colorzoo.training.command.run", lambda *given: (told.append(given), 3)[1])
    assert main([verb, "--seed_everything=1"]) == 3
    given = (verb, read_arguments(["--seed_everything=1"]))
    assert told == ["listening"] * (verb == "fit") + [given, given]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"colorzoo {version('colorzoo')}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["modles"], "unknown verb 'modles'; did you mean models?"),
        (["stud"], "unknown verb 'stud'; did you mean study or studio or test?"),
        (["main"], "unknown verb 'main'"),
        (["_output"], "unknown verb '_output'"),
        (["qqq"], "`colorzoo --help` lists all verbs."),
        (["--loud"], "unknown option '--loud' before a verb; see `colorzoo --help`"),
        (["models", "--loud"], "unrecognized arguments: --loud; see `colorzoo models --help`"),
        (["models", "--guidance", "mood"], "invalid choice: 'mood'"),
        (["models", "--version"], "unrecognized arguments: --version"),
        (["models", "--guid", "points"], "unrecognized arguments: --guid; see"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], message: str, refused: Refused) -> None:
    assert message in refused(*words)


def test_the_users_errors_are_one_line(raising: Callable[[BaseException], None], refused: Refused) -> None:
    raising(PictureError("a.jpg:\n  is no picture"))
    assert refused("models") == "colorzoo: error: a.jpg: is no picture"


def test_debug_shows_the_traceback(
    raising: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORZOO_DEBUG", "1")
    raising(PictureError("bad"))
    with pytest.raises(PictureError, match="bad"):
        main(["models"])


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "colorzoo: interrupted\n"),
        (SystemExit(), 0, ""),
        (SystemExit(3), 3, ""),
        (SystemExit("no"), 1, "no\n"),
    ],
)
def test_exit_codes_of_other_exceptions(
    raising: Callable[[BaseException], None],
    error: BaseException,
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(error)
    assert (main(["models"]), *capsys.readouterr()) == (code, "", told)


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        (["--point", "-5,10=red", "-5"], ["--point=-5,10=red", "-5"]),
        (["--a-b", "-.5", "--x", "-y", "-o", "-5"], ["--a-b=-.5", "--x", "-y", "-o", "-5"]),
        (["-5", "--strength=1", "-5"], ["-5", "--strength=1", "-5"]),
    ],
)
def test_negative_numbers_are_values_of_long_options(words: list[str], joined: list[str]) -> None:
    assert entry.joined_values(words) == joined


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "ü"), ("ascii", "\\xfc")])
def test_a_line_is_printed_at_once_in_what_its_stream_can_show(encoding: str, shown: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
    print_line("ü\n\x1f\x7f ~", stream)
    assert stream.buffer.getvalue().decode(encoding) == f"{shown}\\n\\x1f\\x7f ~\n"  # type: ignore[attr-defined]


def test_columns_are_two_spaces_apart_and_warnings_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert align([("a", "bb", ""), ("ccc", "d", "")]) == ["a    bb", "ccc  d"]
    with printed_warnings():
        for _ in range(2):
            warnings.warn("two\n words", stacklevel=1)
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "colorzoo: two words\n" * 2


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
