"""The authors' weights with the protocols of the papers: ``python -m benchmarks published --download``.

The benchmark downloads the files that model cards list and prints their SHA-256. Then it measures the values
of `VALUES` whose images are below ``--data``, and writes them beside the values of the papers into
``docs/published.md``. A value on the page is measured again only if the weight file or the protocol has
changed, or if it was measured on fewer images.
"""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._common import DOCS, Options, Row, SkippedError, with_table
from colorzoo.data.sources import walk_files
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.evaluation import Protocol, evaluate, load_protocol
from colorzoo.evaluation.images import subset_names
from colorzoo.evaluation.measures import named_measure
from colorzoo.evaluation.methods import BASELINES
from colorzoo.evaluation.run import print_notes
from colorzoo.files import sha256_of, write_atomic
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.weights.catalog import fetch, list_weights

PAGE = DOCS / "published.md"
COMMAND = "python -m benchmarks published --download"
CACHE = Path("runs/published")
"""Folder with the results of single images, with which an interrupted run continues."""
VOC_LIST = Path(__file__).with_name("voc2012_1000.csv")
"""Images of PASCAL VOC 2012, which need no registration, with their hashes."""
THREADS = os.cpu_count() or 1
TOLERANCE = 1.02
"""Largest accepted ratio between a measured value and the value of the paper, a choice of this project."""
HEADER = ("source", "protocol", "model", "value", "paper", "measured", "images", "date", "weights")
EMPTY = "-"

Key = tuple[str, str, str, str]
"""First four cells of a row: source, protocol, model and value."""
Cells = tuple[str, str, str, str]
"""Cells of a measured value: value, images, date, and first digits of the SHA-256 of the weights."""


@dataclass(frozen=True)
class PublishedValue:
    """Value of a paper that a protocol measures.

    Attributes:
        source: Paper and table, a heading of the page.
        protocol: Name of the protocol.
        model: Registered name.
        value: Name of the value.
        paper: Value as printed in the paper; `EMPTY` for images that no paper uses.
        metric: Name of the metric as in ``--metrics``.
        output: Index of the report column of the metric.
        count: Number of interactions.
        tag: Tag of the weights on the model card.
        images: Subset of a data set; by default the subset of the protocol. ``voc2012_1000`` is `VOC_LIST`.
    """

    source: str
    protocol: str
    model: str
    value: str
    paper: str
    metric: str
    output: int = 0
    count: int = 0
    tag: str = "published"
    images: str = ""

    @property
    def key(self) -> Key:
        """First four cells of the row."""
        tag = "" if self.tag == "published" else f" (`{self.tag}` weights)"
        return self.source, f"`{protocol_of(self.protocol).label}`", f"`{self.model}`{tag}", self.value


@cache
def protocol_of(name: str) -> Protocol:
    """Return a protocol. Its version is a part of each row, so that a later version is measured again."""
    return load_protocol(name)


def zhang2016(model: str, auc: str, rebalanced: str, top1: str) -> tuple[PublishedValue, ...]:
    """Return the values of a row of Zhang et al. 2016, Table 1."""
    row = "Zhang et al. 2016, Table 1", "zhang2016-table1", model
    return (
        PublishedValue(*row, "AuC", auc, "auc"),
        PublishedValue(*row, "AuC, rebalanced", rebalanced, "auc", output=1),
        PublishedValue(*row, "top-1 (VGG)", top1, "accuracy:vgg16.tv_in1k"),
    )


def kang2023(
    model: str, colorfulness: str, psnr: str, tag: str = "published"
) -> tuple[PublishedValue, PublishedValue]:
    """Return the values of a row of Kang et al. 2023, Table 1, without FID, whose network differs."""
    row = "Kang et al. 2023, Table 1", "imagenet-val5k", model
    return (
        PublishedValue(*row, "colorfulness", colorfulness, "colorfulness_absolute", tag=tag),
        PublishedValue(*row, "PSNR [dB]", psnr, "psnr", tag=tag),
    )


def kim2021(model: str, lpips: str, psnr: str, cdr: str, images: str) -> tuple[PublishedValue, ...]:
    """Return the values of a row of Kim et al. 2021 on a data set."""
    row = "Kim et al. 2021, edges with color bleeding (K = 7)", "kim2021-edges", model
    name = {"ctest10k": "ImageNet", "coco-val2017": "COCO-Stuff"}[images]
    return (
        PublishedValue(*row, f"{name}, LPIPS", lpips, "lpips_k7", images=images),
        PublishedValue(*row, f"{name}, PSNR [dB]", psnr, "psnr_k7", images=images),
        PublishedValue(*row, f"{name}, CDR", cdr, "cdr", images=images),
    )


def chen2023(
    model: str, fid: str, top1: str, top5: str, count: int = 1, tag: str = "published"
) -> tuple[PublishedValue, ...]:
    """Return the values of a row of Chen et al. 2023, Table I."""
    row = "Chen et al. 2023 (SPColor), Table I", "spcolor-exemplar", model
    return (
        PublishedValue(*row, "FID", fid, "fid", count=count, tag=tag),
        PublishedValue(*row, "top-1", top1, "accuracy", count=count, tag=tag),
        PublishedValue(*row, "top-5", top5, "accuracy", output=1, count=count, tag=tag),
    )


TABLE1 = "Zhang et al. 2017, Table 1", "zhang2017-automatic"
POINTS = "Zhang et al. 2017, PSNR by number of points", "zhang2017-hints", "zhang2017_local"
POINT_VALUES = {1: "25.37", 2: "26.20", 5: "27.39", 10: "28.42", 20: "29.34", 50: "30.42", 100: "31.13"}
VOC_MODELS = ("gray", "zhang2016", "zhang2017_local", "kang2023", "kang2023_tiny", "yun2023")
VALUES: tuple[PublishedValue, ...] = (
    *(
        PublishedValue(
            "PASCAL VOC 2012, in no paper",
            "zhang2017-automatic",
            model,
            "PSNR [dB]",
            EMPTY,
            "psnr",
            images=VOC_LIST.stem,
        )
        for model in VOC_MODELS
    ),
    PublishedValue(*TABLE1, "gray", "PSNR [dB]", "22.82", "psnr"),
    PublishedValue(*TABLE1, "zhang2016", "PSNR [dB]", "22.04", "psnr"),
    PublishedValue(*TABLE1, "zhang2017_local", "PSNR [dB]", "24.43", "psnr"),
    *(
        PublishedValue(
            *POINTS, f"PSNR [dB], {count} {'point' if count == 1 else 'points'}", paper, "psnr", count=count
        )
        for count, paper in POINT_VALUES.items()
    ),
    *zhang2016("gray", "0.891", "0.580", "0.527"),
    *zhang2016("zhang2016", "0.895", "0.673", "0.560"),
    *kang2023("zhang2016", "31.60", "22.64"),
    *kang2023("antic2019", "21.29", "24.11"),
    *kang2023("kang2023_tiny", "37.66", "23.54"),
    *kang2023("kang2023", "38.26", "23.85", tag="paper"),
    *kim2021("zhang2016", "0.248", "13.281", "0.383", "ctest10k"),
    *kim2021("zhang2017_local", "0.246", "13.248", "0.385", "ctest10k"),
    *kim2021("zhang2016", "0.247", "13.368", "0.401", "coco-val2017"),
    *kim2021("zhang2017_local", "0.206", "14.755", "0.391", "coco-val2017"),
    *chen2023("truth", "0.00", "0.7688", "0.9369", count=0)[1:],  # the FID of the truth is 0 by definition
    *chen2023("gray", "15.98", "0.6584", "0.8793", count=0),
    *chen2023("blanch2021", "6.16", "0.6803", "0.8921"),
    *chen2023("zhao2021", "4.30", "0.6957", "0.9018"),
    *chen2023("huang2022", "3.79", "0.6988", "0.8974", tag="imagenet"),  # last, as it takes minutes per image
)
"""Values of papers for models whose authors' weights have an address."""


def run(options: Options) -> list[Row]:
    """Download the weights, measure what is missing, write the table, and return the compared values."""
    if not options.download:
        raise SkippedError("published requires --download, because the weights take several gigabytes")
    files = [file for file in list_weights() if file.weights.urls]
    names = {file.model for file in files} | {*BASELINES}
    if unknown := {*options.models} - names:
        raise SkippedError(f"no address of weights of {', '.join(sorted(unknown))}")
    names = {*options.models} or names
    # download the files and report their hashes
    weights: dict[tuple[str, str], tuple[Path, str]] = {}
    for file in files:
        if file.model not in names:
            continue
        try:
            found = fetch(file)
        except WeightsError as error:
            report(f"{file.model} {file.tag}", error)
            continue
        origin = "as on the model card" if file.weights.sha256 else f"computed: {file.weights.no_hash}"
        sha256 = found.sha256 or sha256_of(found.path)  # a file that the user copied has no recorded hash
        print(f"{file.model} {file.tag}: SHA-256 {sha256} ({origin})", flush=True)
        weights[file.model, file.tag] = found.path, sha256
    # measure what is missing, one model and protocol at a time
    rows = read_rows(PAGE.read_text(encoding="utf-8"))
    write_table(rows)
    groups = defaultdict[tuple[str, str, str, str], list[PublishedValue]](list)
    for value in VALUES:
        if value.model in names:
            images = value.images or protocol_of(value.protocol).subset or ""
            groups[value.protocol, images, value.model, value.tag].append(value)
    folders: dict[str, Path | None] = {}
    with TemporaryDirectory() as temporary:
        for (protocol, images, model, tag), values in groups.items():
            if model not in BASELINES and (model, tag) not in weights:
                continue
            path, sha256 = weights.get((model, tag), (None, ""))
            pending = [v for v in values if not is_measured(rows.get(v.key), sha256, options.images)]
            if not pending:
                continue
            try:
                if images not in folders:
                    folders[images] = None  # a second error would repeat the first
                    folders[images] = find_images(options.data or Path("data"), images, Path(temporary))
                if (folder := folders[images]) is not None:
                    rows |= measure(pending, path, sha256, folder, images, options)
                    write_table(rows)
            except (ColorzooError, OSError) as error:
                report(f"{model}, protocol {protocol}" if folders[images] else images, error)
    return [
        Row(
            f"{value.model}, {value.value} ({value.source})",
            measured := float(rows[value.key][0]),
            paper := float(value.paper),
            max(measured / paper, paper / measured) if measured > 0 else math.inf,
            TOLERANCE,
            "lower",
            rows[value.key][1],
        )
        for value in VALUES
        if value.model in names and value.key in rows and value.paper != EMPTY
    ]


def report(subject: str, error: Exception) -> None:
    """Print an error in one line."""
    print(f"{subject}: {' '.join(str(error).split())}", flush=True)


def find_images(data: Path, images: str, temporary: Path) -> Path:
    """Return the first subfolder of a folder that contains all images of a subset, or the folder itself.

    Args:
        data: Folder of the data sets.
        images: Name of a subset, or of `VOC_LIST`.
        temporary: Folder for copies of the images of `VOC_LIST`, which is only a part of its data set.

    Raises:
        DataError: An image is missing, or has another hash than in `VOC_LIST`.
    """
    if not data.is_dir():
        raise DataError(f"the folder {data} does not exist")
    if images == VOC_LIST.stem:
        with VOC_LIST.open(newline="", encoding="utf-8") as stream:
            listed = {row["image"]: row["sha256"] for row in csv.DictReader(stream)}
        found = {Path(path).name: Path(path) for path in walk_files(str(data))}
        wrong = [name for name in listed if name not in found or sha256_of(found[name]) != listed[name]]
        if wrong:
            raise DataError(
                f"{len(wrong)} of {len(listed)} images are missing below {data} or have another hash, the "
                f"first: {wrong[0]}"
            )
        for name in listed:
            shutil.copyfile(found[name], temporary / name)
        return temporary
    required = {*subset_names(images)}
    for folder in (*sorted(path for path in data.iterdir() if path.is_dir()), data):
        if required <= {Path(path).stem for path in walk_files(str(folder))}:
            return folder
    raise DataError(f"the {len(required)} images are not below {data}")


def measure(
    values: Sequence[PublishedValue],
    path: Path | None,
    sha256: str,
    folder: Path,
    images: str,
    options: Options,
) -> dict[Key, Cells]:
    """Measure values of one model with one protocol; print a line for each metric that is skipped.

    Args:
        values: Values to measure.
        path: Weight file; None for a baseline.
        sha256: SHA-256 of the weight file.
        folder: Folder of the images.
        images: Name of the subset of the images.
        options: ``images`` limits the number of images; ``device`` is the device of the model.
    """
    metrics, labels_file = [], guidance_kind("label").table
    for metric in dict.fromkeys(value.metric for value in values):
        try:
            if metric == "fid" and options.images:
                raise DataError("a distance between image sets requires all images, not --images")
            if metric.startswith("accuracy") and not (folder / labels_file).is_file():
                raise DataError(f"{labels_file} is missing in {folder}")
            named_measure(metric)
            metrics.append(metric)
        except (DataError, WeightsError) as error:
            report(f"{values[0].model}, {metric}", error)
    values = [value for value in values if value.metric in metrics]
    if not values:
        return {}
    protocol = protocol_of(values[0].protocol)
    outcome = evaluate(
        {values[0].model: path},
        folder,
        replace(protocol, subset=None if images == VOC_LIST.stem else images),
        metrics=metrics,
        interactions=[value.count for value in values],
        limit=options.images,
        cache=CACHE,
        device=options.device or "cpu",
        threads=THREADS,
    )
    print_notes(outcome)
    summary = outcome.summary
    assert summary is not None, "only the first of several processes has a summary"
    # format the values with the decimals of the paper
    count = len(summary.items)
    is_limited = options.images is not None and count + len(summary.skipped) >= options.images
    cells = f"{'first ' if is_limited else ''}{count} of `{images}`", f"{datetime.now(UTC).date()}"
    found = {}
    for value in values:
        output = summary.setup.measures[metrics.index(value.metric)].outputs[value.output]
        row = next(row for row in summary.rows if row.count == value.count)
        number = row.scores[output.key].estimate.value
        if not math.isfinite(number):
            print(f"{value.model}, {value.value}: no image has a value", flush=True)
            continue
        digits = output.digits if value.paper == EMPTY else len(value.paper.partition(".")[2])
        found[value.key] = f"{number:.{digits}f}", *cells, sha256[:12] or EMPTY
    return found


def is_measured(cells: Cells | None, sha256: str, limit: int | None) -> bool:
    """Return whether a value was measured with a weight file, and on enough images.

    Args:
        cells: Cells of the value on the page, or None.
        sha256: SHA-256 of the weight file; empty for a baseline.
        limit: Number of images; None for all images.
    """
    if cells is None or cells[3] != (sha256[:12] or EMPTY):
        return False
    first, _, rest = cells[1].partition(" ")
    return first != "first" or (limit is not None and int(rest.partition(" ")[0]) >= limit)


def read_rows(page: str) -> dict[Key, Cells]:
    """Return the measured values of the table on a page."""
    rows = {}
    for line in page.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) == len(HEADER) and cells[5] not in (EMPTY, HEADER[5]) and set(cells[5]) - {"-", ":"}:
            source, protocol, model, value, _, measured, images, date, weights = cells
            rows[source, protocol, model, value] = measured, images, date, weights
    return rows


def write_table(rows: Mapping[Key, Cells]) -> None:
    """Write the table of all values into the page, with `EMPTY` for values that were not measured."""
    lines = [HEADER, ("---",) * 4 + ("---:",) * 2 + ("---",) * 3]
    lines += [(*value.key, value.paper, *rows.get(value.key, (EMPTY,) * 4)) for value in VALUES]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    page = with_table(PAGE.read_text(encoding="utf-8"), "published", text, COMMAND)
    write_atomic(PAGE, page.encode())
