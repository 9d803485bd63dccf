"""The command line: every module here that defines `NAME` and `run` is a verb of ``colorzoo``.

A verb module is light at import (no torch) and offers ``NAME: str``, ``HELP: str`` (one line),
``EXAMPLE: str`` (shown below ``--help``), ``add_arguments(parser)`` and ``run(args) -> int``, the exit code.
It is found by scanning: a new verb is a new file, called like its verb with ``_`` for ``-``.
"""
