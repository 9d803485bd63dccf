"""Language of docstrings and messages: patterns that the style guide forbids."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import colorzoo

SOURCE = Path(colorzoo.__path__[0])
# first words of a docstring that leave out its subject
OPENERS = re.compile(r"(Of|As|Those|What|Whoever|Whose|That|It|They|One|Ones|Both|Where|Who)\b(?!-)")
# private words, and phrases without their noun
PRIVATE = re.compile(
    r"\b(told|tells?|doubt\w*|enliven\w*|critics?|adversar(y|ies)|taps?|pictures?|rehears\w+|thing network"
    r"|remembers?|forgets?|asks? (for|the|of)|whoever|(as|than) (those|that) of|wishes|nobody|sees|knows"
    r"|(go|goes|went) on|to the bit|(?<!there )is no (?!longer)|films?(?! (rebate|border|margin)))\b",
    re.IGNORECASE,
)
ALLOWED = (  # terms of a paper, a license or a standard
    "critic",  # DeOldify calls its discriminator so
    "ask the authors",
    "knows: ",  # a field of the pad protocol
    "save.knows",
)


def violations(path: Path) -> list[str]:
    """Return the docstrings and messages of a module with a forbidden pattern."""
    tree, found = ast.parse(path.read_text(encoding="utf-8")), []
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value):
            continue
        match = (node in docstrings and OPENERS.match(node.value)) or PRIVATE.search(node.value)
        if match and not any(term in node.value for term in ALLOWED):
            place = f"{path.relative_to(SOURCE)}:{node.lineno}"
            found.append(f"{place}: {match[0]!r} in {node.value[max(0, match.start() - 30) :][:80]!r}")
    return found


def test_docstrings_and_messages_use_standard_terms() -> None:
    found = [each for path in sorted(SOURCE.rglob("*.py")) for each in violations(path)]
    assert not found, "\n".join(found)
