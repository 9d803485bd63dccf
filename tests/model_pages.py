"""Access to the generator of the model pages, and to the pages that are committed."""

import importlib
from pathlib import Path
from types import ModuleType

COMMITTED = Path(__file__).parent.parent / "docs" / "models"


def load_generator() -> ModuleType:
    return importlib.import_module("benchmarks.pages.models")
