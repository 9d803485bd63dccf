"""Record which functions of the package a command line runs: ``python _trace.py WORDS...`` prints JSON.

The module runs in its own process and imports nothing before the package, whose modules are counted too.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType

SPEC = find_spec("colorzoo")
ROOT = str(Path(SPEC.origin).parent) if SPEC and SPEC.origin else ""


class Trace:
    """Functions that run during a part of a program, without imports.

    Attributes:
        functions: Named functions and methods of the package.
        switches: Calls of a function from another file of the package.
    """

    def __init__(self) -> None:
        self.functions: set[CodeType] = set()
        self.switches = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Record a call; a hook for `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOT):
            return
        callers = list(_callers(frame))
        if any(caller.co_name == "<module>" for caller in (code, *callers)):
            return
        if not code.co_name.startswith("<"):  # comprehensions and lambdas are part of a function
            self.functions.add(code)
        self.switches += bool(callers) and callers[0].co_filename != code.co_filename


def _callers(frame: FrameType) -> Iterator[CodeType]:
    """Yield the code objects of the package that called a frame, the nearest first."""
    above = frame.f_back
    while above is not None:
        if above.f_code.co_filename.startswith(ROOT):
            yield above.f_code
        above = above.f_back


def main(words: list[str]) -> None:
    """Run a command line of colorzoo and print the functions that ran."""
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    from colorzoo.apps.cli.main import main as colorzoo

    with redirect_stdout(sys.stderr):
        code = colorzoo(words)
    sys.setprofile(None)
    found = {
        "code": code,
        "functions": len(trace.functions),
        "files": len({function.co_filename for function in trace.functions}),
        "modules": len([name for name in sys.modules if name.split(".")[0] == "colorzoo"]),
        "switches": trace.switches,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
