"""Two-alternative study: viewers choose between the results of two methods; their choices are counted.

`make_study` writes a folder that any browser opens, without a server. Each viewer sees every pair once, in
random order on random sides, and saves a file of answers. `count_study` reads these.
"""

from __future__ import annotations

import html
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.atomic import write_atomic
from colorzoo.data.sources import EXTENSIONS
from colorzoo.errors import DataError
from colorzoo.evaluation.pictures import digest
from colorzoo.evaluation.statistics import LEVEL, Estimate
from colorzoo.pictures.formats import open_picture

PAGE, KEY, PICTURES = "index.html", "key.json", "pictures"
SIDE = 640  # pixels, at most, of the longer side on the page
QUESTION = "Which coloring looks more natural?"


@dataclass(frozen=True)
class StudyResult:
    """Choices of all viewers.

    Attributes:
        methods: Names of the two methods.
        share: Share of choices of the first method, with the interval of a bootstrap over viewers and pairs.
        viewers: Number of viewers.
        pairs: Number of pairs.
        agreement: Share of pairs of viewers who chose the same; NaN for one viewer.
        kappa: Fleiss' kappa: agreement beyond chance, 1 for full agreement, 0 for none; NaN for one viewer.
    """

    methods: tuple[str, str]
    share: Estimate
    viewers: int
    pairs: int
    agreement: float
    kappa: float


def make_study(
    results: Mapping[str, Path],
    output: Path,
    *,
    question: str = QUESTION,
    limit: int | None = None,
    seed: int = 0,
) -> int:
    """Write a study of two methods.

    Nothing that a viewer opens tells the methods apart; ``key.json`` does, and stays with you.

    Args:
        results: Folders of results by the names of the two methods; those of a picture have the same name.
        output: New folder: page, pictures and key.
        question: What viewers are asked.
        limit: Take only some pairs, at random.
        seed: Seed of that choice and of the names of files.

    Returns:
        The number of pairs.

    Raises:
        DataError: There are not two methods, no common picture, or the folder exists.
    """
    if len(results) != 2:
        raise DataError(f"a study compares two methods, got {len(results)}: A=FOLDER B=FOLDER")
    if output.exists():
        raise DataError(f"{str(output)!r} exists; -o names a new folder")
    found = [_pictures(name, folder) for name, folder in results.items()]
    common = sorted(found[0].keys() & found[1].keys())
    if not common:
        raise DataError(f"{' and '.join(results)} have no picture of the same name")
    generator = random.Random(seed)
    if limit is not None and limit < len(common):
        common = sorted(generator.sample(common, limit))
    key: dict[str, dict[str, str]] = {}
    pairs = []
    contents: dict[str, bytes] = {}
    for index, stem in enumerate(common):
        names = []
        for method, pictures in zip(results, found, strict=True):
            name = digest(str(seed), method, stem)[:16]
            contents[name] = _shown(pictures[stem])
            names.append(name)
            key[name] = {"method": method, "picture": stem, "pair": str(index)}
        pairs.append(sorted(names))  # by hash, so that the order tells nothing
    study = digest(*sorted(key))[:16]
    page = (files("colorzoo.evaluation") / "templates" / "study.html").read_text(encoding="utf-8")
    data = json.dumps({"study": study, "pairs": pairs})
    page = page.replace("{{ question }}", html.escape(question)).replace("{{ data }}", data)
    (output / PICTURES).mkdir(parents=True)
    for name, picture in contents.items():
        (output / PICTURES / f"{name}.jpg").write_bytes(picture)
    write_atomic(output / PAGE, page.encode())
    content = {"study": study, "question": question, "methods": list(results), "pictures": key}
    write_atomic(output / KEY, json.dumps(content).encode())
    return len(common)


def _pictures(name: str, folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"no folder {str(folder)!r} with the results of {name!r}")
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in EXTENSIONS
    }


def _shown(source: Path) -> bytes:
    """Return a picture as JPEG without metadata, which could tell the method."""
    try:
        with open_picture(source) as image:
            shown = image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises SyntaxError for broken PNG
        raise DataError(f"{source} is broken: {error}") from error
    shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def count_study(study: Path, answers: Sequence[Path], *, resamples: int = 2000, seed: int = 0) -> StudyResult:
    """Count the answers of viewers.

    Args:
        study: Folder from `make_study`.
        answers: A file of each viewer, from the page.
        resamples: Resamples of the bootstrap.
        seed: Its seed.

    Raises:
        DataError: A file is no answer to this study, or a viewer is there twice or left out pairs.
    """
    try:
        key = json.loads((study / KEY).read_bytes())
        first, second = key["methods"]
        pictures = key["pictures"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{str(study)!r} has no readable {KEY}; it is written by `colorzoo study make`"
        ) from error
    count = len(pictures) // 2
    rows: dict[str, list[float]] = {}
    for path in answers:
        viewer, chosen = _answers(path, key["study"])
        if viewer in rows:
            raise DataError(f"{path} is of a viewer whose answers were given already")
        row = [np.nan] * count
        for name in chosen:
            if name not in pictures:
                raise DataError(f"{path} names a picture that is not in the study: {name}")
            row[int(pictures[name]["pair"])] = float(pictures[name]["method"] == first)
        if np.isnan(row).any():
            raise DataError(f"{path} leaves out {int(np.isnan(row).sum())} of {count} pairs")
        rows[viewer] = row
    if not rows:
        raise DataError("no files of answers; name those that viewers saved")
    choices = np.array(list(rows.values()))
    agreement, kappa = _agreement(choices)
    share = _share(choices, resamples, seed)
    return StudyResult((first, second), share, len(choices), count, agreement, kappa)


def _answers(path: Path, study: str) -> tuple[str, list[str]]:
    try:
        found = json.loads(path.read_bytes())
        given = str(found["study"]), str(found["viewer"]), [str(each) for each in found["chosen"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no file of answers: {error}") from error
    if given[0] != study:
        raise DataError(f"{path} answers another study")
    return given[1:]


def _share(choices: NDArray[np.float64], resamples: int, seed: int) -> Estimate:
    """Return the share of choices of the first method; viewers and pairs are drawn again, each by itself."""
    viewers, pairs = choices.shape
    generator = np.random.default_rng(seed)
    of_viewers = generator.multinomial(viewers, np.full(viewers, 1 / viewers), size=resamples)
    of_pairs = generator.multinomial(pairs, np.full(pairs, 1 / pairs), size=resamples)
    drawn = np.einsum("rv,vp,rp->r", of_viewers, choices, of_pairs) / choices.size
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(choices.mean()), float(low), float(high))


def _agreement(choices: NDArray[np.float64]) -> tuple[float, float]:
    """Return the observed agreement of viewers and Fleiss' kappa (Fleiss 1971)."""
    viewers = len(choices)
    if viewers < 2:
        return float("nan"), float("nan")
    counts = np.stack([choices.sum(0), viewers - choices.sum(0)])
    observed = float((((counts**2).sum(0) - viewers) / (viewers * (viewers - 1))).mean())
    chance = float(((counts.sum(1) / choices.size) ** 2).sum())
    return observed, (observed - chance) / (1 - chance) if chance < 1 else 1.0


def describe(result: StudyResult) -> dict[str, Any]:
    """Return a result as plain JSON types."""
    return {**vars(result), "methods": list(result.methods), "share": vars(result.share)}
