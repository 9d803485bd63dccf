"""The command line: every public module here except `main` is a verb of ``colorzoo``.

A verb module imports no torch and defines ``NAME: str``, ``HELP: str`` (one line), ``EXAMPLE: str`` (shown
below ``--help``), ``add_arguments(parser)`` and ``run(args) -> int``, which returns the exit code. Verbs are
found by scanning: a new verb is a new file, named like its verb with ``_`` for ``-``.
"""
