"""Linear algebra in ONNX graphs equals PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from colorzoo.engines.export import Graph, load_onnx
from colorzoo.engines.onnx_linalg import TRANSLATIONS


class Solver(nn.Module):
    """Uses every translated operator."""

    def __init__(self, *, upper: bool = False) -> None:
        super().__init__()
        self.upper = upper

    def forward(self, matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        factor = torch.linalg.cholesky_ex(matrix).L
        triangle = factor.mT if self.upper else factor
        solved = torch.linalg.solve_triangular(triangle, right, upper=self.upper)
        return factor, torch.cholesky_solve(right, factor), solved


def write(path: Path, solver: Solver) -> Graph:
    batch, size, columns = (Dim(name, min=1) for name in ("batch", "size", "columns"))
    shapes = ({0: batch, 1: size, 2: size}, {0: batch, 1: size, 2: columns})
    program = torch.export.export(solver, system(2, 3, 4), dynamic_shapes=shapes)
    options = {"dynamo": True, "custom_translation_table": dict(TRANSLATIONS), "verbose": False}
    torch.onnx.export(program, **options).save(path)
    return load_onnx(path, ["matrix", "right"])


def system(batch: int, size: int, columns: int, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Return the covariance of points on a line, with noise, and the right-hand side."""
    places = torch.linspace(0, 1, size, dtype=torch.float64).expand(batch, -1)
    matrix = torch.exp(-((places[:, :, None] - places[:, None]) ** 2)) + noise * torch.eye(size)
    generator = torch.Generator().manual_seed(size)
    return matrix, torch.randn(batch, size, columns, dtype=torch.float64, generator=generator)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return write(tmp_path_factory.mktemp("linalg") / "solver.onnx", Solver())


def test_onnx_solutions_of_any_size_equal_torch(graph: Graph) -> None:
    for batch, size, columns in [(1, 1, 1), (3, 2, 7), (2, 40, 1), (1, 150, 5)]:
        given = system(batch, size, columns)
        for found, expected in zip(graph(given).values(), Solver()(*given), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_onnx_solves_ill_conditioned_systems(graph: Graph) -> None:
    matrix, right = system(1, 60, 2, noise=1e-5)
    assert torch.linalg.cond(matrix) > 1e6
    _, found, _ = graph([matrix, right]).values()
    assert float((matrix @ found - right).abs().max()) < 1e-6


def test_export_of_upper_triangular_factors_raises(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="upper triangular factors"):
        write(tmp_path / "upper.onnx", Solver(upper=True))
