"""Every notebook runs and reproduces its stored outputs; COLORZOO_WRITE_NOTEBOOKS=1 stores new outputs."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TIMEOUT = 800  # seconds of a cell; a notebook takes half a minute on an idle machine


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """Yield a running kernel that all notebooks share, so that packages are imported once."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


def run_notebook(path: Path, kernel: KernelManager, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a folder, without the names of earlier ones; return it with its outputs."""
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


def texts_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the text that each code cell shows, without images and addresses."""
    texts = []
    for cell in (each for each in notebook.cells if each.cell_type == "code"):
        shown = []
        for output in cell.outputs:
            data = output.get("data", {})
            if not any(kind.startswith("image/") for kind in data):
                shown.append(output.get("text") or data.get("text/markdown") or data.get("text/plain", ""))
        texts.append(re.sub(r" at 0x[0-9a-f]+", "", "".join(shown)))
    return texts


def assert_same_text(stored: nbformat.NotebookNode, run: nbformat.NotebookNode) -> None:
    """Compare words exactly, and numbers up to what another processor may change."""
    for cell, (old, new) in enumerate(zip(texts_of(stored), texts_of(run), strict=True)):
        assert NUMBER.sub("#", old) == NUMBER.sub("#", new), (
            f"code cell {cell}: {old!r} is stored, not {new!r}"
        )
        for one, other in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
            assert float(other) == pytest.approx(float(one), rel=0.03, abs=0.02), (
                f"code cell {cell}: {one} is stored, {other} comes out; "
                "COLORZOO_WRITE_NOTEBOOKS=1 pytest tests/test_notebooks.py stores it"
            )


@pytest.mark.timeout(900)
@pytest.mark.nightly
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_reproduces_its_stored_outputs(path: Path, kernel: KernelManager, tmp_path: Path) -> None:
    notebook = run_notebook(path, kernel, tmp_path)
    if os.environ.get("COLORZOO_WRITE_NOTEBOOKS"):
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    assert_same_text(nbformat.read(path, as_version=4), notebook)
