"""Record which functions of the package a command line runs: ``python _trace.py WORDS...`` prints JSON.

``python _trace.py --tree WORDS...`` prints the call tree, and then for each file its functions with the
number of their calls.

The module runs in its own process and imports nothing before the package, whose modules are counted too.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
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
        functions: Number of calls of each named function or method of the package.
        switches: Calls of a function from another file of the package.
        tree: Line of each call in the order of the calls, indented by depth. A line starts with ``*`` for a
            switch. Repeated calls of a function by the same function are left out.
    """

    def __init__(self) -> None:
        self.functions: Counter[CodeType] = Counter()
        self.switches = 0
        self.tree: dict[tuple[CodeType, CodeType | None], str] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Record a call; a hook for `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOT):
            return
        callers = list(_callers(frame))
        if any(caller.co_name == "<module>" for caller in (code, *callers)):
            return
        is_switch = bool(callers) and callers[0].co_filename != code.co_filename
        self.switches += is_switch
        if code.co_name.startswith("<"):  # comprehensions and lambdas are part of a function
            return
        self.functions[code] += 1
        named = [caller for caller in callers if not caller.co_name.startswith("<")]
        line = f"{'  ' * len(named)}{'*' if is_switch else ' '} {code.co_qualname}  [{_file_of(code)}]"
        self.tree.setdefault((code, named[0] if named else None), line)


def _callers(frame: FrameType) -> Iterator[CodeType]:
    """Yield the code objects of the package that called a frame, the nearest first."""
    above = frame.f_back
    while above is not None:
        if above.f_code.co_filename.startswith(ROOT):
            yield above.f_code
        above = above.f_back


def _file_of(code: CodeType) -> str:
    return Path(code.co_filename).relative_to(ROOT).as_posix()


def main(words: list[str]) -> None:
    """Run a command line of colorzoo and print the functions that ran."""
    shows_tree = words[:1] == ["--tree"]
    words = words[shows_tree:]
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    from colorzoo.apps.cli.main import main as colorzoo

    with redirect_stdout(sys.stderr):
        code = colorzoo(words)
    sys.setprofile(None)
    files: dict[str, list[str]] = {}
    for function, count in trace.functions.items():
        files.setdefault(_file_of(function), []).append(f"{function.co_qualname} x{count}")
    if shows_tree:
        print("\n".join(trace.tree.values()))
        for file, names in sorted(files.items(), key=lambda item: -len(item[1])):
            print(f"{len(names):3} {file}: {', '.join(names)}")
    found = {
        "code": code,
        "functions": len(trace.functions),
        "files": len(files),
        "modules": len([name for name in sys.modules if name.split(".")[0] == "colorzoo"]),
        "switches": trace.switches,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
