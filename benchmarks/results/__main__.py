"""``python -m benchmarks.results [TABLE ...] --data DATA [--limit N]``: measure tables of the page *Results*.

Each table stands between two comments of ``docs/evaluation.md`` and is replaced as a whole.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._common import DOCS, imagenet_classes, unseen_sources, with_table
from colorzoo.errors import ColorzooError, DataError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.summary import Summary
from colorzoo.evaluation.tables import markdown
from colorzoo.files import write_atomic

PAGE = DOCS / "evaluation.md"
COMMAND = "python -m benchmarks.results"


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: Name in the comments around it.
        models: Methods, in the order of the rows.
        protocol: Protocol.
        metrics: Metrics.
        images: Folder of the images below the data, and what it is called on the page.
        pairs: List of pairs below that folder; those with a gray target are left out.
        sources: List of the sources of images below the data; only those with a class of ImageNet count
            (`imagenet_classes`).
    """

    name: str
    models: tuple[str, ...]
    protocol: str
    metrics: tuple[str, ...]
    images: str
    pairs: str = ""
    sources: str = ""


AUTOMATIC_MODELS = (
    "colorzoo2026",
    "zhang2017_local_small",
    "kang2023_small",
    "zhang2016_small",
    "gray",
    "truth",
)
JUDGED_MODELS = (  # without colorzoo2026, which was trained on many of these photos
    "zhang2017_local_small",
    "kang2023_small",
    "zhang2016_small",
    "gray",
    "truth",
)
AUTOMATIC_METRICS = ("psnr", "worse_than_gray", "ab_rmse", "auc", "colorfulness")
TABLES = (
    Table(
        "automatic",
        AUTOMATIC_MODELS,
        "automatic",
        AUTOMATIC_METRICS,
        "photos/val",
    ),
    Table(
        "people",
        AUTOMATIC_MODELS,
        "automatic",
        AUTOMATIC_METRICS,
        "photos/val_people",
    ),
    Table(
        "judge",
        JUDGED_MODELS,
        "automatic",
        ("accuracy:efficientnet-lite0", "fid:efficientnet-lite0", "psnr", "colorfulness"),
        "photos/val",
        sources="manifest.csv",
    ),
    Table(
        "references",
        ("colorzoo2026", "zhang2019_small", "chen2023_small", "xu2020_small", "feature_match", "welsh2002"),
        "xu2020-exemplar",
        ("psnr", "histogram_intersection", "colorfulness"),
        ".",
        "exemplar/pairs.csv",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write tables."""
    known = [table.name for table in TABLES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(known)} (default: all)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    parser.add_argument("--limit", type=int, help="use only the first N images")
    parser.add_argument("--cache", type=Path, default=Path("runs/results"), help="folder that keeps results")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write into")
    args = parser.parse_args(arguments)
    if unknown := sorted({*args.tables} - {*known}):
        print(f"no table {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        for table in TABLES:
            if table.name in (args.tables or known):
                text = measured(table, args.data, args.limit, args.cache)
                page = with_table(args.page.read_text(encoding="utf-8"), table.name, text, COMMAND)
                write_atomic(args.page, page.encode())
    except (ColorzooError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measured(table: Table, data: Path, limit: int | None, cache: Path) -> str:
    """Measure a table and return it as Markdown."""
    with TemporaryDirectory() as folder:
        images = data / table.images
        if table.sources:
            images = labeled_images(data, table, Path(folder) / "images")
        elif not table.pairs:
            images = Path(folder) / "images"
            images.mkdir()
            for image in unseen_sources(data / table.images):
                shutil.copy(image.path, images)
        summary = evaluate(
            table.models,
            images,
            table.protocol,
            metrics=table.metrics,
            pairs=str(color_pairs(data / table.pairs, Path(folder))) if table.pairs else None,
            limit=limit,
            cache=cache,
        ).summary
    assert summary is not None, "only the first of several processes has a summary"
    stated_once = ("- Images were colorized", "- The metric keys")  # at the head of the page
    lines = [line for line in markdown(summary).splitlines() if not line.startswith(stated_once)]
    return "\n".join([*lines, source(table, summary)])


def labeled_images(data: Path, table: Table, folder: Path) -> Path:
    """Copy the images of a table that show a class of ImageNet to a folder, with labels; return it."""
    folder.mkdir()
    lines = ["image,label"]
    for path, label in imagenet_classes(data / table.sources, table.images).items():
        image = data / path
        shutil.copyfile(image, folder / image.name)
        lines.append(f"{image.name},{label}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def color_pairs(pairs: Path, folder: Path) -> Path:
    """Write the pairs whose target has color to a list of its own, and return that."""
    with pairs.open(newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.DictReader(stream) if row.get("target_is_gray") != "1"]
    if not rows:
        raise DataError(f"{pairs} lists no pair whose target has color.")
    found = (folder / "pairs.csv").resolve()
    lines = [f"{row['target']},{row['reference']}" for row in rows]
    found.write_text("\n".join(["target,reference", *lines]) + "\n", encoding="utf-8")
    return found


def source(table: Table, summary: Summary) -> str:
    """Return which images were measured, and when."""
    kind = (
        f"pairs in `{table.pairs}` whose target has color"
        if table.pairs
        else f"images in `{table.images}`, sorted by file name, that belong to an ImageNet class"
        if table.sources
        else f"images in `{table.images}`, sorted by file name, that no included model has "
        "[seen in training](#images-seen-in-training)"
    )
    today = datetime.now(UTC).date().isoformat()
    keys = "".join(sorted(item.key for item in summary.items))
    digest = hashlib.sha256(keys.encode()).hexdigest()[:12]
    return (
        f"- The images are the first {len(summary.items)} {kind} (digest {digest}).\n"
        f"- The results were measured on {today}."
    )


if __name__ == "__main__":
    sys.exit(main())
