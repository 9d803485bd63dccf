"""A report on the authors' own weights: ``python -m benchmarks.results --published``."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from colorzoo.data.sources import walk_files
from colorzoo.errors import DataError
from colorzoo.evaluation import Outcome, evaluate, load_protocol
from colorzoo.evaluation.images import subset_names
from colorzoo.files import sha256_of
from colorzoo.registry import model_card
from colorzoo.weights.catalog import fetch, weight_file

MODELS = ("zhang2016", "zhang2017_local", "kang2023", "kang2023_tiny", "yun2023")
LIST = Path(__file__).with_name("voc2012_1000.csv")
PROTOCOL = "zhang2017-automatic"


def measure_published(data: Path, report: Path) -> Outcome:
    """Fetch the authors' weights, measure them and write a report.

    The images are those of the protocol if all of them are there, else those of the list.

    Args:
        data: Folder of ImageNet's validation images, or of those of the list.
        report: Folder of the report.

    Raises:
        DataError: An image is missing or another one.
        WeightsError: Weights cannot be fetched.
    """
    published = {name: fetch(weight_file(model_card(name), "published")).path for name in MODELS}
    protocol = load_protocol(PROTOCOL)
    assert protocol.subset is not None
    found = {Path(path).name: Path(path) for path in walk_files(str(data))}
    with TemporaryDirectory() as folder:
        images = data
        if not {Path(name).stem for name in found}.issuperset(subset_names(protocol.subset)):
            images = Path(folder)
            copy_listed(found, LIST, images)
        return evaluate({**published, "gray": None, "truth": None}, images, protocol, output=report)


def copy_listed(found: dict[str, Path], listed: Path, folder: Path) -> None:
    """Copy the images of a list to a folder, and check their hashes.

    Raises:
        DataError: An image is missing or another one.
    """
    with listed.open(newline="", encoding="utf-8") as stream:
        rows = [(row["image"], row["sha256"]) for row in csv.DictReader(stream)]
    wrong = [name for name, sha256 in rows if name not in found or sha256_of(found[name]) != sha256]
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(rows)} images of {listed.name} are missing or others, the first: "
            f"{wrong[0]}; --data names a folder with PASCAL VOC 2012"
        )
    for name, _ in rows:
        shutil.copyfile(found[name], folder / name)
