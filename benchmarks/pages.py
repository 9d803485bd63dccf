"""False detections of pages: photos that are classified as a page and stay gray."""

from __future__ import annotations

from itertools import islice

from benchmarks._common import PHOTOS, Options, Row, SkippedError
from colorzoo.data.sources import find_sources
from colorzoo.errors import DataError
from colorzoo.image_io.read import read_image
from colorzoo.inference.full_size import FullLightness, working_size
from colorzoo.inference.steps.pages import detect_page

SIZE = 160  # shorter side at the network of the default model
GOAL = 1 / 500


def run(options: Options) -> list[Row]:
    """Return one row."""
    folder = options.data or PHOTOS
    try:
        sources = list(islice(find_sources(folder), options.images))
    except DataError as error:
        raise SkippedError(str(error)) from error
    taken = 0
    for source in sources:
        lightness = FullLightness(read_image(source.read()).levels)
        taken += detect_page(lightness.shrunk(working_size(*lightness.shape, SIZE)))
    claim, place = "photos taken for a page", f"{len(sources)} photos of {folder.name}"
    return [Row(claim, taken, len(sources), taken / len(sources), GOAL, "lower", place)]
