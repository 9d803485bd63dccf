"""Writers of what ``docs/`` shows: pages of models, pictures. ``python -m benchmarks.pages.NAME``."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
IMAGES = DOCS / "images"
