"""Run the notebooks and keep what they show: ``python -m benchmarks.pages.notebooks [NAME ...]``.

Their pictures and numbers are then those of the weights that ship now. All run in one kernel, each with
names of its own, so what they import is imported once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from benchmarks._command import named, run_command
from benchmarks._files import write_text
from benchmarks.pages import DOCS

FOLDER = DOCS.parent / "notebooks"
TIMEOUT = 800  # seconds of one cell; a notebook takes half a minute on an idle machine


@contextmanager
def one_kernel() -> Iterator[KernelManager]:
    """Yield a kernel that runs, and end it."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    try:
        yield manager
    finally:
        manager.shutdown_kernel(now=True)


def run_notebook(path: Path, kernel: KernelManager, folder: Path) -> NotebookNode:
    """Run a notebook from top to bottom and return it with its outputs.

    Args:
        path: The notebook; it is not changed.
        kernel: What ran in it before leaves no name behind.
        folder: Where the notebook finds itself.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    begin = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {folder}")
    notebook.cells.insert(0, begin)
    client = NotebookClient(
        notebook, km=kernel, timeout=TIMEOUT, record_timing=False, store_widget_state=False
    )
    try:
        client.execute()
    finally:
        if client.kc is not None:
            client.kc.stop_channels()  # its threads would outlive the notebook
    notebook.cells.remove(begin)
    for number, cell in enumerate((each for each in notebook.cells if each.cell_type == "code"), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    return notebook


def main() -> None:
    """Run notebooks and write them with their outputs."""
    names = named(sorted(path.stem for path in FOLDER.glob("*.ipynb")), __doc__)
    with one_kernel() as kernel, TemporaryDirectory() as folder:
        for name in names:
            path = FOLDER / f"{name}.ipynb"
            write_text(path, nbformat.writes(run_notebook(path, kernel, Path(folder))) + "\n")
            print(name, flush=True)


if __name__ == "__main__":
    run_command(main)
