from collections.abc import Iterator

import pytest
from pads import DirectPad, tiny_studio

from colorzoo.studio.desk import Studio


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    made = tiny_studio()
    yield made
    made.close()


@pytest.fixture
def pad(studio: Studio) -> DirectPad:
    return DirectPad(studio)
