"""Command line of colorzoo.

Each public module except `main` implements the command of the same name. Module names replace ``-`` by ``_``;
the modules are found by scanning this package. A command module must not import torch at module level. It
defines ``HELP``, a one-line help text, and ``COMMANDS``, a mapping from subcommand names to `Command`
objects. A command without subcommands has a single entry with an empty name.
"""
