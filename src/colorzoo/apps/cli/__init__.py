"""Command line of colorzoo.

Each public module except `main` implements a command. The module name is the command name with ``_`` instead
of ``-``. The package is scanned for modules, so adding a module adds a command.

A command module defines ``HELP``, a one-line help text, and ``COMMANDS``, a mapping from subcommand names to
`Command` objects. A command without subcommands has a single entry with the key ``""``. The module must not
import torch at module level.
"""
