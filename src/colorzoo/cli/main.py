"""The entry point of ``colorzoo``: finds the verb, runs it, and turns errors into one line and an exit code.

Exit codes: 0 all good, 1 some of the work failed (said by the verb), 2 bad usage or bad input, 130
interrupted, 141 the reader of a pipe went away. With ``COLORZOO_DEBUG=1`` errors keep their traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from colorzoo.cli._verbs import all_verbs, find_verb, lightning_verbs, unknown_verb
from colorzoo.errors import ColorzooError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Words after ``colorzoo``; those of the process by default.

    Returns:
        The exit code of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()  # here, so that a closed pipe is met inside this `try`
    except ColorzooError as error:
        if os.environ.get("COLORZOO_DEBUG", "0") not in ("", "0"):
            raise
        print(f"colorzoo: error: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("colorzoo: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 141
    except SystemExit as stop:
        return _exit_code(stop)
    return code


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        return _print_overview(missing=not words)
    if words[0] == "--version":
        from colorzoo.cli._requirements import installed_version

        print(f"colorzoo {installed_version('colorzoo') or '(not installed as a package)'}")
        return 0
    if words[0].startswith("-"):
        raise ColorzooError(f"unknown option {words[0]!r} before a verb; see `colorzoo --help`")
    return _run_verb(words)


def _run_verb(words: list[str]) -> int:
    verb = find_verb(words[0])
    if verb is not None:
        from colorzoo.cli._parser import verb_parser

        return verb.run(verb_parser(verb).parse_args(words[1:]))
    lightning = lightning_verbs()
    if lightning is not None and words[0] in lightning.VERBS:
        return lightning.run(words)  # untouched: the Lightning CLI has its own --help
    raise unknown_verb(words[0])


def _print_overview(missing: bool) -> int:
    from colorzoo.cli._parser import overview

    # A script whose verb got lost must not look as if it had succeeded.
    print(overview(all_verbs()), end="", file=sys.stderr if missing else sys.stdout)
    return 2 if missing else 0


def _one_line(error: ColorzooError) -> str:
    return " ".join(str(error).split())


def _silence_stdout() -> None:
    """Point stdout at nothing, or Python complains again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1
