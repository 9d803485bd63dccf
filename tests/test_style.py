"""The voice of docstrings: a noun phrase for a class, an imperative for a function, no riddles."""

import ast
import re
from pathlib import Path

import colorzoo

ROOT = Path(colorzoo.__path__[0])
RIDDLE = re.compile(r"(What|Where|When|Which|Whether|Who\w*|How|Say|Tell)\b")


def riddles(text: str) -> list[str]:
    """Return the first lines of docstrings that begin with one of the words."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, documented))
    first_lines = ((ast.get_docstring(node) or "").partition("\n")[0] for node in nodes)
    return [line for line in first_lines if RIDDLE.match(line)]


def test_docstrings_are_not_riddles() -> None:
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")
    }
    # parsing takes long; ruff sees to it that docstrings have these quotation marks
    suspect = {name: text for name, text in texts.items() if re.search(f'"""{RIDDLE.pattern}', text)}
    assert {name: lines for name, text in suspect.items() if (lines := riddles(text))} == {}


def test_the_check_finds_riddles() -> None:
    text = '"""What it does."""\ndef a():\n  "Say whether it fits."\ndef b():\n  "Return whatever fits."'
    assert riddles(text) == ["What it does.", "Say whether it fits."]
