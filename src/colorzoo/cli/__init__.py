"""The command line: every module here except `main` and private ones implements the command of its name.

A module is named like its command, with ``_`` for ``-``, and is found by scanning this package. It imports no
torch at the top, and defines ``HELP``, one line of help, and ``COMMANDS``; see `colorzoo.cli.main.Verb`.
"""
