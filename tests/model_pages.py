"""Access to the generator of the model pages, which is a script and no package."""

import importlib.util
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parent.parent / "docs" / "build_model_pages.py"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_model_pages", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
