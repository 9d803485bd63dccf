"""Options of the command line made of the fields of dataclasses."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

import pytest

from colorzoo.batch.settings import ColorSettings
from colorzoo.cli import colorize
from colorzoo.cli._options import add_options, check_ranges
from colorzoo.cli.main import verb_parser
from colorzoo.errors import ColorzooError
from colorzoo.settings import Range


@dataclass(frozen=True)
class Brush:
    """Settings of a brush.

    Attributes:
        size: Diameter in pixels, of one stroke
            after the other.
        soft: Whether it fades.
        shape: Its shape.
        colors: A color; may be repeated.
        shares: Share of each.
    """

    size: Annotated[int, Range(1, 9)] | None = field(default=None, metadata={"group": "form", "metavar": "N"})
    soft: bool = False
    shape: Literal["round", "flat"] = "round"
    colors: list[str] = field(default_factory=list, metadata={"option": "--color"})
    shares: list[float] | None = None


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser, Brush)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ((), {}),
        (("--size", "3"), {"size": 3}),
        (("--soft", "--shape", "flat"), {"soft": True, "shape": "flat"}),
        (("--color", "red", "--color", "teal"), {"colors": ["red", "teal"]}),
        (("--shares", "2,1"), {"shares": [2.0, 1.0]}),
    ],
)
def test_words_set_fields(words: tuple[str, ...], changed: dict[str, Any]) -> None:
    assert vars(parsed(*words)) == {**asdict(Brush()), **changed}


@pytest.mark.parametrize("words", [("--size", "large"), ("--shape", "square"), ("--shares", "2,one")])
def test_words_of_another_type_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)


def test_a_number_out_of_its_range_is_refused() -> None:
    check_ranges(parsed("--size", "9"), Brush)
    with pytest.raises(ColorzooError, match="--size must be from 1 to 9, got 10"):
        check_ranges(parsed("--size", "10"), Brush)


def test_the_help_is_the_documentation() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Brush)
    text = " ".join(parser.format_help().split())
    assert "form: --size N diameter in pixels, of one stroke after the other" in text


def test_options_of_colorize_are_documented_and_have_the_defaults_of_their_fields() -> None:
    parser = verb_parser(colorize)
    assert all(action.help for action in parser._actions)
    args = parser.parse_args(["x.jpg"])
    assert {each.name: getattr(args, each.name) for each in fields(ColorSettings)} == asdict(ColorSettings())
