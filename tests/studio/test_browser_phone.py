"""The pad on a phone: named actions, help, comparisons and messages; words without keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pad import BrowserPad

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def phone(browser: Any, address: str) -> Iterator[BrowserPad]:
    opened = BrowserPad(browser, address, **PHONE)
    yield opened
    opened.close()
    assert opened.problems == []


@pytest.mark.nightly
def test_actions_on_a_phone_have_words_and_fit(phone: BrowserPad, photo: Path) -> None:
    phone.open_ready(photo)
    for action, word in {
        "open": "Open",
        "undo": "Undo",
        "save": "Save",
        "load": "Load",
        "export": "Export",
        "help": "Help",
    }.items():
        button = phone.page.locator(f".cz-top [data-action={action}]")
        assert button.inner_text().strip() == word
        box = button.bounding_box()
        assert 0 <= box["x"] <= 390 - box["width"], action
    phone.page.tap(".cz-top [data-action=help]")
    words = phone.page.locator("dialog[open]").inner_text()
    assert words.index("a long press deletes") < words.index("Ctrl")
