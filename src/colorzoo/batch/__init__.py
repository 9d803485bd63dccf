"""Colorize many files: tasks, output files, provenance, reports and signatures."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.batch._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
