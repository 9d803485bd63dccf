"""Tests of the papers, one module for each paper.

The module of a paper also registers the tests of golden files (``parity.cases.case``). It lists published
training settings (``RECIPES``) and settings for the test that every setting has an effect (``KNOBS``).
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType


def paper_modules() -> list[ModuleType]:
    """Import the test modules of all papers."""
    return [import_module(f"zoo.{path.stem}") for path in sorted(Path(__file__).parent.glob("test_*.py"))]
