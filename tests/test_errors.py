"""One-line messages of errors."""

from errno import EACCES, ENAMETOOLONG

import pytest

from colorzoo.batch.runner import failure_message
from colorzoo.console import first_words
from colorzoo.errors import ImageError


def test_first_words_shortens_long_messages() -> None:
    assert first_words(ValueError("")) == "ValueError"
    assert first_words(ValueError("\n one line\nanother")) == "one line"
    for count, end in ((60, "a"), (61, " ...")):
        text = first_words(ValueError("a " * count))
        assert (len(text), text.endswith(end)) == (119, True)


def test_failure_names_the_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, message in (
        (ImageError("a.jpg is empty"), "a.jpg is empty"),
        (ImageError("b.jpg exists"), "b.jpg exists"),
        (ImageError("damaged"), "a.jpg: damaged"),
        (MemoryError(), "a.jpg does not fit into memory"),
        (OSError(ENAMETOOLONG, "File name too long", "long.png"), "a.jpg: long.png: File name too long"),
        (OSError(EACCES, "Permission denied", "b.jpg"), "b.jpg: Permission denied"),
        (ZeroDivisionError("x"), "a.jpg: unexpected ZeroDivisionError: x"),
    ):
        assert failure_message(error, "a.jpg", "b.jpg").startswith(message)
    assert failure_message(ImageError("damaged"), "a.jpg", "") == "a.jpg: damaged"
    monkeypatch.setenv("COLORZOO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        failure_message(ZeroDivisionError("x"), "a.jpg", "b.jpg")
