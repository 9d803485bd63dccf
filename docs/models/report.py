"""Write the example report of docs/archive.md: ``python -m docs.models.report FOLDER``.

It is the page of ``colorzoo colorize FOLDER -o colored --report historic.html`` without the folders in
which it was made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks._common import DOCS

from colorzoo.apps.cli.main import main as colorzoo
from colorzoo.files import write_atomic

REPORT = DOCS / "reports" / "historic.html"


def main() -> None:
    """Colorize the folder of the command line and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="historic/ of the data")
    args = parser.parse_args()
    write_atomic(REPORT, make_report(args.folder).encode())


def make_report(images: Path) -> str:
    """Return the report of a folder of images, with paths relative to this folder and to ``colored``."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / REPORT.name
        results = str(Path(folder) / "colored")
        code = colorzoo(["colorize", str(images), "-o", results, "--report", str(page)])
        if code:
            raise SystemExit(code)
        text = page.read_text(encoding="utf-8")
    for made_in in (images.absolute(), Path(folder)):
        text = text.replace(json.dumps(f"{made_in}/")[1:-1], "")
    return text


if __name__ == "__main__":
    main()
