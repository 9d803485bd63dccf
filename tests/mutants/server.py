"""Server that runs tests on a copy of the package, in forks of a process that has done the slow imports.

    python server.py SOURCES

It reads one JSON object per line (tests, the module that must be importable, a log, a folder for temporary
files) and writes the exit code of pytest, or one of its own. It must not import colorzoo itself.
"""

import gc
import importlib
import json
import os
import shutil
import sys
import traceback

import pytest
import torch

WRONG_PACKAGE, NOT_IMPORTABLE = 98, 99
# slow imports of the library and of its tests
SLOW = (
    *("lightning.pytorch", "lightning.pytorch.loggers", "torchmetrics", "torchvision", "torch.export"),
    *("kornia", "timm", "scipy.ndimage", "skimage.morphology", "skimage.segmentation"),
    "hypothesis",  # its pytest plugin imports it to write a summary
)
OPTIONS = (
    *("-x", "-q", "--no-header", "--tb=short", "--disable-warnings", "--timeout=120"),
    *("-o", "addopts=", "-m", "not slow", "-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception"),  # collects garbage five times
)


def main(sources: str) -> None:
    for name in SLOW:
        importlib.import_module(name)
    torch.set_num_threads(1)  # a fork after threaded work can hang
    gc.freeze()  # so that forks do not copy pages that they do not change
    sys.path.insert(0, sources)  # before any path that the interpreter's configuration added
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(run(sources, **request))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(sources: str, tests: list[str], module: str, log: str, temporary: str) -> int:
    """Run the tests in this process, with all output in the log."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # tests must not read requests
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        package = importlib.import_module("colorzoo")
        importlib.import_module(module)
    except Exception:
        traceback.print_exc()
        return NOT_IMPORTABLE
    if not str(package.__file__).startswith(sources):
        return WRONG_PACKAGE
    code = int(pytest.main([*OPTIONS, f"--basetemp={temporary}", *tests]))
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # some compiled modules fail at an orderly exit
