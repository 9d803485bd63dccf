"""Docstrings: a noun phrase for a class, an imperative for a function, no riddles; strict pairs; lint."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import colorzoo

ROOT = Path(colorzoo.__path__[0])
# A list is cut, or one of both is longer by its last or first element.
LOOSE = {
    "batch/request.py": 1,
    "cli/segment.py": 1,
    "data/shard_writer.py": 1,
    "engines/export.py": 1,
    "inference/steps/points.py": 2,
    "zoo/antic2019/network.py": 1,
    "zoo/blanch2021/task.py": 1,
    "zoo/xia2022/superpixels.py": 1,
}
RIDDLE = re.compile(r"(What|Where|When|Which|Whether|Who\w*|How|Say|Tell)\b")


def sources() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")
    }


def riddles(text: str) -> list[str]:
    """Return the first lines of docstrings that begin with one of the words."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, documented))
    first_lines = ((ast.get_docstring(node) or "").partition("\n")[0] for node in nodes)
    return [line for line in first_lines if RIDDLE.match(line)]


def test_docstrings_are_not_riddles() -> None:
    texts = sources()
    # parsing takes long; ruff sees to it that docstrings have these quotation marks
    suspect = {name: text for name, text in texts.items() if re.search(f'"""{RIDDLE.pattern}', text)}
    assert {name: lines for name, text in suspect.items() if (lines := riddles(text))} == {}


def test_the_check_finds_riddles() -> None:
    text = '"""What it does."""\ndef a():\n  "Say whether it fits."\ndef b():\n  "Return whatever fits."'
    assert riddles(text) == ["What it does.", "Say whether it fits."]


def loose_zips(text: str) -> int:
    """Return how many calls of ``zip`` take sequences of unequal lengths."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    words = [
        [ast.unparse(word) for word in call.keywords]
        for call in calls
        if getattr(call.func, "id", "") == "zip"
    ]
    return sum("strict=True" not in each for each in words)


def test_pairs_of_unequal_lengths_are_errors_but_where_a_shorter_one_is_meant() -> None:
    found = {name: loose_zips(text) for name, text in sources().items() if "zip(" in text}
    assert {name: count for name, count in found.items() if count} == LOOSE


def test_no_name_is_left_over() -> None:
    rules = "F,ARG001,ARG005,B007,B018"
    words = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", rules, str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "All checks passed!\n")
