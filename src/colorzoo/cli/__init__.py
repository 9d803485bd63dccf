"""The command line: every module here except `main` and private ones implements the command of its name.

A module is named like its command, with ``_`` for ``-``, and is found by scanning this package. It imports no
torch at the top. It defines ``HELP``, one line of help, and ``COMMANDS``, the `Command` of each subcommand by
name; a command without subcommands has one entry with an empty name.
"""
