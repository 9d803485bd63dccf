"""Errors of the pad: a code for the page, one readable line for the user."""

from __future__ import annotations

import logging

from colorzoo.errors import ColorzooError, GuidanceError, PictureError, UnknownModelError, WeightsError

_log = logging.getLogger(__name__)
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (PictureError, "bad_picture"),
    (GuidanceError, "bad_recipe"),
    (UnknownModelError, "no_model"),
    (WeightsError, "no_model"),
    (ColorzooError, "unsupported"),
)


class StudioError(ColorzooError):
    """What a request asks for cannot be done.

    Args:
        code: One of the codes of ``docs/studio_protocol.md``.
        message: One line for the user.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def describe(error: BaseException) -> tuple[str, str]:
    """Return code and line of an error; one that is no user's to mend is logged and not told."""
    if isinstance(error, StudioError):
        return error.code, str(error)
    if isinstance(error, MemoryError):
        return "too_large", "this does not fit into the memory of the server; use a smaller picture"
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code, " ".join(str(error).split())
    _log.error("a request of the pad failed", exc_info=error)
    return "internal", f"something went wrong here ({type(error).__name__}); the server's log says more"
