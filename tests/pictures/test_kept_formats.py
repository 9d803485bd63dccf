"""What a colored result keeps of each of the formats and kinds of sample of ``kept_formats.py``."""

from __future__ import annotations

import pytest

from pictures.kept_formats import TABLE, kept, table


@pytest.mark.filterwarnings("ignore")
def test_the_table_is_true_and_nothing_is_lost() -> None:
    found = table()
    assert len(found.splitlines()) - 2 >= 128
    assert "lost" not in found
    written = TABLE.read_text(encoding="utf-8")
    assert found == written, "python tests/pictures/kept_formats.py writes the table again"


def test_a_loss_would_be_seen() -> None:
    assert [kept(False, False), kept(True, True), kept(True, False)] == ["", "kept", "lost"]
