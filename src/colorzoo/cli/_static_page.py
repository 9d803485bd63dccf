"""The work of ``colorzoo studio --static``: write the pad as plain files, and say how large it is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorzoo.errors import ColorzooError
from colorzoo.inference.export import require_onnx
from colorzoo.studio.catalog import page_models
from colorzoo.studio.page import write_page


def write_static(args: argparse.Namespace) -> int:
    """Write the page; returns the exit code.

    Raises:
        ColorzooError: An argument does not belong to a page, or the page cannot be written.
    """
    if args.recipe or args.model:
        raise ColorzooError("--static takes --models; a recipe is loaded in the page")
    require_onnx()
    names = None if args.models is None else [name.strip() for name in args.models.split(",") if name.strip()]
    photos = [Path(picture) for picture in args.pictures]
    page = write_page(
        Path(args.static), page_models(names), photos, lambda line: print(line, file=sys.stderr)
    )
    print(f"{page.folder}: {', '.join(page.models)}")
    print(f"{page.total / 1e6:.1f} MB in all, {page.first / 1e6:.1f} MB before the first photo is colored")
    print(f"try it: python -m http.server --directory {page.folder}")
    return 0
