"""Every notebook runs from top to bottom."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from benchmarks.pages.notebooks import FOLDER, one_kernel, run_notebook
from jupyter_client.manager import KernelManager
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    with one_kernel() as manager:
        yield manager


@pytest.mark.timeout(900)  # half a minute on an idle machine
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, kernel: KernelManager, tmp_path: Path) -> None:
    run_notebook(path, kernel, tmp_path)


def test_a_notebook_finds_no_name_of_the_one_before(kernel: KernelManager, tmp_path: Path) -> None:
    for source in ("left = 1", "left"):
        path = tmp_path / "one.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path)
        if source == "left":
            with pytest.raises(CellExecutionError, match="NameError"):
                run_notebook(path, kernel, tmp_path)
        else:
            run_notebook(path, kernel, tmp_path)
