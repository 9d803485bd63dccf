"""HTML and CSV reports of a run.

A report is computed from the result files and their provenance records, so it includes the results of earlier
runs.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.batch.task import ALREADY_DONE, FileResult
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.files import digest_of, write_atomic
from colorzoo.guidance.border import parse_border
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.pixels.raster import as_rgb

KINDS = (".csv", ".html")
"""Extensions of reports."""
PER_PAGE = 1000
"""Maximum number of images per HTML page; a full page has about 15 MB."""
_THUMBNAIL = 240  # longer side in pixels
_QUALITY = 80
_MARK = '<meta name="generator" content="colorzoo report">'
_DATA = re.compile(rb'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True)
class ReportEntry:
    """Report row for an image.

    Examples:
        >>> ReportEntry("photo.png", notes="no image").result
        ''

    Attributes:
        source: Absolute path of the image.
        result: Absolute path of the result; empty if the image failed.
        uncertainty: Color error predicted by the model, in CIE units; None if the provenance record of the
            result does not contain this value.
        chroma: Mean chroma of the colorized part, in CIE units; None if the image failed.
        border: Colorized part inside the border of a scan, as ``X,Y,WIDTH,HEIGHT``; empty if the whole image
            was colorized.
        notes: Notes about the image, or the reason why it failed.
        model: Name of the model.
        source_sha256: SHA-256 of the source file at the time of colorization.
        result_sha256: SHA-256 of the result file.
        listed: Line for the image in lists that the page saves, see `FileResult.list_entry`; empty if it
            is the path of the image.
        gray: Gray thumbnail of the result, as a JPEG data URL.
        color: Thumbnail of the result, as a JPEG data URL.
    """

    source: str
    result: str = ""
    uncertainty: float | None = None
    chroma: float | None = None
    border: str = ""
    notes: str = ""
    model: str = ""
    source_sha256: str = ""
    result_sha256: str = ""
    listed: str = ""
    gray: str = ""
    color: str = ""


COLUMNS = tuple(field.name for field in fields(ReportEntry) if field.name not in ("listed", "gray", "color"))


def check_report(path: Path) -> None:
    """Check that a path is a new file or an existing report, which can be replaced.

    Examples:
        >>> check_report(Path("report.html"))

    Raises:
        ColorzooError: The extension is not ``.csv`` or ``.html``, or the path is an existing file that is not
            a report.
    """
    if path.suffix.lower() not in KINDS:
        raise ColorzooError(f"--report must end with {' or '.join(KINDS)}, got {path}")
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as file:
            beginning = file.read(1000)
        is_csv = beginning.startswith(",".join(COLUMNS).encode())
        if not beginning or is_csv or _MARK.encode() in beginning:
            return
    raise ColorzooError(f"--report {path} already exists and is not a report. Choose another file name.")


def read_entries(
    results: Iterable[FileResult], advance: Callable[[], None], folder: str | None = None
) -> list[ReportEntry]:
    """Read the result files of a run and return a report row for each image.

    Failed images are first. The other images are sorted by decreasing uncertainty, then by path.

    Examples:
        >>> read_entries([FileResult("gone.png", "", "failed", ("no such file",))], lambda: None)[0].notes
        'no such file'

    Args:
        results: Outcome of each file; skipped images are included if their result exists.
        advance: Function called after each result, for a progress bar.
        folder: Output folder of the run; None if the results are beside their sources.
    """
    entries = []
    for result in results:
        entry = None
        if result.status == "failed":
            entry = ReportEntry(os.path.abspath(result.source), notes="; ".join(result.notes))
        elif result.finished:
            entry = _entry(result)
        if entry is not None:
            listed = replace(result, source=entry.source).list_entry(folder)
            entries.append(replace(entry, listed="" if listed == entry.source else listed))
        advance()
    return sorted(entries, key=lambda entry: (bool(entry.result), -(entry.uncertainty or 0), entry.source))


def _entry(result: FileResult) -> ReportEntry:
    source, path = os.path.abspath(result.source), Path(result.output)
    try:
        image, record, digest = read_image(path), read_provenance(path), digest_of(path)
    except (OSError, ColorzooError) as error:
        return ReportEntry(source, notes=f"{path} cannot be read for the report: {error}")
    # the color thumbnail ``(3, h, w)`` in [0, 1]: subsample first, then average the rest
    levels = image.levels
    step = max(1, max(levels.shape[:2]) // (4 * _THUMBNAIL))
    small = Image.fromarray((as_rgb(levels[::step, ::step]) * 255 + 0.5).astype(np.uint8))
    small.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    thumbnail = torch.from_numpy(np.array(small)).permute(2, 0, 1) / 255
    # the gray thumbnail
    lab = rgb_to_lab(thumbnail)
    lightness, ab = lab[:1], lab[1:]
    gray = lab_to_rgb(torch.cat([lightness, torch.zeros_like(ab)]))
    # the mean chroma of the colorized part
    colorized_ab = ab
    if record is not None and not record.crop:  # a crop shifts the border
        with suppress(GuidanceError):  # no border, or a damaged record
            inside = parse_border(record.border, "border")
            if not isinstance(inside, str):  # pixels of the full image
                size = (levels.shape[1], levels.shape[0])
                colorized_ab = ab[:, *inside.scaled(size, ab.shape[2], ab.shape[1]).slices]
    return ReportEntry(
        source,
        os.path.abspath(path),
        float(record.uncertainty) if record and record.uncertainty else None,
        round(float(colorized_ab.norm(dim=0).mean()), 1),
        border="" if record is None else record.border,
        notes="; ".join(note for note in result.notes if note != ALREADY_DONE),
        model=record.model if record else result.model,
        source_sha256=record.source if record else "",
        result_sha256=digest,
        gray=_jpeg(gray),
        color=_jpeg(thumbnail),
    )


def _jpeg(rgb: Tensor) -> str:
    levels = (rgb.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + b64encode(stream.getvalue()).decode("ascii")


def report_pages(path: Path, count: int) -> list[Path]:
    """Return the files of a report.

    Examples:
        >>> [page.name for page in report_pages(Path("report.html"), 1001)]
        ['report.html', 'report-2.html']

    Args:
        path: CSV file or first HTML page.
        count: Number of images.
    """
    page_count = 1 if path.suffix.lower() == ".csv" else max(1, math.ceil(count / PER_PAGE))
    return [path, *(path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(2, page_count + 1))]


def write_report(path: Path, entries: Sequence[ReportEntry]) -> list[Path]:
    """Write a CSV table, or HTML pages with `PER_PAGE` images each; return the file paths.

    Examples:
        >>> write_report(Path("report.csv"), [ReportEntry("photo.png", notes="no image")])[0].name
        'report.csv'

    Args:
        path: CSV file or first HTML page; the extension ``.csv`` or ``.html`` selects the format. The names
            of further pages end with ``-2``, ``-3`` and so on.
        entries: Report rows, in the order of the report.

    Raises:
        ColorzooError: An HTML page would replace a file that is not a report.
        OSError: A file cannot be written.
    """
    if path.suffix.lower() == ".csv":
        rows = ([getattr(entry, name) for name in COLUMNS] for entry in entries)
        table = _line(COLUMNS) + "".join(map(_line, rows))
        write_atomic(path, table.encode("utf-8", "surrogateescape"))  # keeps file names that are not UTF-8
        return [path]
    pages = report_pages(path, len(entries))
    for page in pages:
        check_report(page)
    names = [page.name for page in pages]
    # numbers of the samples of an image, because the browser stores a decision for each sample
    samples, counts = [0] * len(entries), Counter[str]()
    for position, entry in sorted(enumerate(entries), key=lambda pair: (len(pair[1].result), pair[1].result)):
        samples[position] = counts[entry.source]
        counts[entry.source] += 1
    for index, page in enumerate(pages):
        first = index * PER_PAGE
        images = [
            {**asdict(entry), "sample": sample}
            for entry, sample in zip(entries[first : first + PER_PAGE], samples[first:], strict=False)
        ]
        data = {"report": os.path.abspath(path), "pages": names, "page": page.name, "images": images}
        write_atomic(page, _page(data))
    return pages


@dataclass(frozen=True)
class ServedReport:
    """HTML pages of a report whose images link to the drawing pad (the editor in the browser).

    Attributes:
        name: File name of the first page.
        pages: HTML of each page, by file name.
        sources: Absolute paths of the source images.
        policy: Value of the HTTP header ``Content-Security-Policy``, which permits only the script of the
            pages.
    """

    name: str
    pages: dict[str, bytes]
    sources: frozenset[str]
    policy: str


def serve_report(path: Path) -> ServedReport:
    """Read the HTML pages of a report and add links to the drawing pad.

    The pages are rendered again from their JSON data, because an untrusted file could contain other scripts.

    Args:
        path: First page of the report.

    Raises:
        ColorzooError: A page is missing or is not a page of a report.
    """
    found = {name: _read_page(path.with_name(name)) for name in _read_page(path)["pages"]}
    pages = {name: _page({**data, "pad": "../?photo="}) for name, data in found.items()}
    sources = frozenset(image["source"] for data in found.values() for image in data["images"])
    (script,) = _SCRIPT.findall(pages[path.name])
    own = b64encode(sha256(script).digest()).decode("ascii")
    policy = f"default-src 'none'; script-src 'sha256-{own}'; style-src 'unsafe-inline'; img-src data:"
    return ServedReport(path.name, pages, sources, policy)


def _read_page(path: Path) -> dict[str, Any]:
    try:
        found = _DATA.search(path.read_bytes())
        data = json.loads(found[1]) if found else None
    except OSError as error:
        raise ColorzooError(f"{path}: {error.strerror}") from error
    except ValueError:
        data = None
    if not isinstance(data, dict) or not {"pages", "images"} <= data.keys():
        raise ColorzooError(f"{path} must be a report page written by `colorzoo colorize --report`")
    return data


def _line(cells: Iterable[object]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow("" if cell is None else cell for cell in cells)
    return stream.getvalue()


def _page(data: dict[str, Any]) -> bytes:
    """Return the HTML of a page.

    Args:
        data: ``images``: entries of the page. ``pages``: names of all pages. ``report``: absolute path of the
            report, under which the browser stores the user's decisions. ``pad``: URL prefix of links to the
            drawing pad.
    """
    template = (files("colorzoo.batch") / "templates" / "report.html").read_text(encoding="utf-8")
    # "</script>" in a name would end the script element, so "<" is escaped; bytes of a file name that are
    # not valid UTF-8 remain lone surrogates, which the page recognizes
    text = json.dumps(data).replace("<", "\\u003c")
    return template.replace("{{ mark }}", _MARK).replace("{{ data }}", text).encode()
