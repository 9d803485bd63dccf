"""Color points as observations of a Gaussian process (ours; Rasmussen and Williams 2006, chapter 2).

What the automatic answer misses is taken for a draw from a Gaussian process over the cells of the picture.
Its covariance is learned: cells covary if their features are alike and they are near. Color points are
observations of it, and its posterior mean is added to the automatic answer. Three properties follow:

- A point shows its own color, up to the learned noise.
- A point with the color that is already there changes nothing.
- The network does not run again while a user edits; only a small linear system is solved.

Agreement: cells that belong together get one color (ours).

The mean of a distribution over *brown or blue or red* is brown. But the cells of a thing share one color, so
their distributions multiply: the geometric mean is sharp where the cells agree, and a color that only some of
them expect drops out. The learned covariance tells which cells belong together. Differences between the cells
of a thing stay as the network predicts them.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.memory import ColumnCache, nbytes_of
from colorzoo.networks.blocks import is_traced

MOST_CELLS = 1024
"""Cells with points that enter the linear system; of more, equally spaced ones do."""
_REACHES = (8.0, 4.0, 0.6, 0.3, 0.12, 0.05)  # at the start, in longer sides of the picture
_FIRST_NOISE = 0.03
MOST_COLUMNS = 256  # cached for a picture, 13 KB each of a square
_LEAST_AMPLITUDE = 1e-30  # so that it has a logarithm
_JITTER = 1e-5  # on the diagonal, so that equal cells can be told apart


class Cells(NamedTuple):
    """Embedding of the cells of a picture, on which the covariance depends.

    Attributes:
        place: ``(B, N, H, D + 2)`` embedding and scaled position for each head.
        amplitude: ``(B, N, H)`` standard deviation for each head.
    """

    place: Tensor
    amplitude: Tensor

    @property
    def embedding(self) -> Tensor:
        """``(B, N, H, D)`` embedding for each head, without the position."""
        return self.place[..., :-2]

    def take(self, index: Tensor) -> Self:
        """Return the cells ``(B, n)`` of an index."""
        return type(self)(take_cells(self.place, index), take_cells(self.amplitude, index))

    def double(self) -> Self:
        """Return the cells in float64, on the CPU if their device has no such type."""
        device = torch.device("cpu") if self.place.device.type == "mps" else self.place.device
        return type(self)(self.place.to(device).double(), self.amplitude.to(device).double())


class Posterior(NamedTuple):
    """Gaussian process after points.

    Attributes:
        change: ``(B, N, 2)`` change of the mean color of the cells.
        factor: ``(B, n, n)`` Cholesky factor of the covariance of the points.
        across: ``(B, N, n)`` covariance of cells and points.
    """

    change: Tensor
    factor: Tensor
    across: Tensor


class ColorCovariance(nn.Module):
    """Learned covariance of what the automatic answer misses, between any two cells of a picture.

    A sum over heads of squared-exponential kernels, each with its own embedding, amplitude and reach.

    Args:
        width: Channels of the features.
        heads: Number of kernels.
        dim: Length of an embedding.
        hidden: Channels of the hidden layer.
    """

    def __init__(self, width: int, heads: int, dim: int = 16, hidden: int = 128) -> None:
        super().__init__()
        self.heads = heads
        self.hidden = nn.Linear(width + 1, hidden)
        self.embed = nn.Linear(hidden, heads * dim)
        self.amplitude = nn.Linear(hidden, heads)
        self.log_reach = nn.Parameter(torch.tensor(_REACHES[:heads]).log())
        self.log_noise = nn.Parameter(torch.tensor(_FIRST_NOISE).log())
        nn.init.constant_(self.amplitude.bias, -1.0)

    @property
    def noise(self) -> Tensor:
        """Variance of the noise of a point."""
        return (2 * self.log_noise).exp()

    def forward(self, features: Tensor, lightness: Tensor) -> Cells:
        """Embed the cells of a picture.

        Args:
            features: ``(B, h, w, C)`` features of the network.
            lightness: ``(B, h, w, 1)`` lightness, (L - 50) / 50.
        """
        batch, height, width, _ = features.shape
        hidden = F.leaky_relu(self.hidden(torch.cat([features, lightness], dim=-1)), 0.1)
        embedding = self.embed(hidden).view(batch, height * width, self.heads, -1)
        amplitude = F.softplus(self.amplitude(hidden)).view(batch, height * width, self.heads)
        longest = max(height, width)
        # from the center: distances are differences of squares, which lose digits far from 0
        rows = (torch.arange(height, device=features.device) + 0.5 - height / 2) / longest
        columns = (torch.arange(width, device=features.device) + 0.5 - width / 2) / longest
        position = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).view(1, -1, 1, 2)
        scaled = position / self.log_reach.exp()[:, None]
        return Cells(torch.cat([embedding, scaled.expand(batch, -1, -1, -1)], dim=-1), amplitude)

    def posterior(self, across: Tensor, points: Observations) -> Posterior:
        """Condition the process on points.

        Args:
            across: ``(B, N, n)`` covariance of all cells and those with points, in the type and on the
                device of the answer; see `cell_covariance`.
            points: What the automatic answer misses there.
        """
        points = Observations(*(values.to(across.device) for values in points))
        given = points.given
        across = across * given[:, None]
        noise = torch.where(given > 0, (self.noise + _JITTER).to(given), given.new_ones(()))
        covariance = take_cells(across, points.cell) * given[..., None] + torch.diag_embed(noise)
        # in float64, as near points make the system ill-conditioned; a graph cannot raise errors
        checks = not is_traced()
        factor = torch.linalg.cholesky_ex(covariance.double(), check_errors=checks).L
        weights = torch.cholesky_solve((points.missing * given[..., None]).double(), factor)
        return Posterior(across @ weights.to(across), factor.to(across), across)

    def correlation(self, cells: Cells, points: Observations) -> Tensor:
        """Return the largest correlation ``(B, N)`` of each cell with any point."""
        found = cell_correlation(cells, cells.take(points.cell))
        return (found * points.given[:, None]).amax(-1)

    def variances(self, cells: Cells, posterior: Posterior) -> tuple[Tensor, Tensor]:
        """Return the variances ``(B, N)`` of the cells without and with points."""
        noise = self.noise.to(cells.amplitude)
        prior = cells.amplitude.square().sum(-1) + noise
        explained = torch.linalg.solve_triangular(posterior.factor, posterior.across.mT, upper=False)
        return prior, (prior - explained.square().sum(1)).clamp(min=0.5 * noise + 1e-6)


class CovarianceColumns:
    """Covariance of all cells of one picture with some of them, each computed once for all edits.

    Args:
        cells: Cells of a batch of one.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._cache = ColumnCache(self._compute, MOST_COLUMNS)

    @property
    def nbytes(self) -> int:
        """Bytes of the cells and of their covariance so far."""
        return nbytes_of(self._cells) + self._cache.nbytes

    def of(self, numbers: Tensor) -> Tensor:
        """Return the covariance ``(1, N, n)`` of all cells with the cells ``(1, n)``, in float64."""
        self._cells = self._cells.double()  # here, as most pictures get no points; the second time at no cost
        wanted: list[int] = numbers[0].tolist()
        if len(wanted) > MOST_COLUMNS:
            return cell_covariance(self._cells, numbers)
        return torch.stack(self._cache.of(wanted), dim=-1)[None]

    def _compute(self, numbers: list[int]) -> Tensor:
        """Return the columns as rows ``(n, N)``."""
        return cell_covariance(self._cells, torch.tensor([numbers]))[0].T.contiguous()


def cell_covariance(cells: Cells, numbers: Tensor) -> Tensor:
    """Return the covariance ``(B, N, n)`` of all cells with those of some numbers ``(B, n)``."""
    return _covariance(cells, cells.take(numbers.to(cells.place.device)))


def cell_correlation(one: Cells, other: Cells) -> Tensor:
    """Return the correlation ``(B, N, n)`` of the colors of some cells with those of others."""
    scaled = (
        cells._replace(amplitude=cells.amplitude / cells.amplitude.norm(dim=-1, keepdim=True))
        for cells in (one, other)
    )
    return _covariance(*scaled).clamp(max=1)


def _covariance(one: Cells, other: Cells) -> Tensor:
    (rows, row_terms), (columns, column_terms) = _exponents(one), _exponents(other)
    # products of pairs and terms of one cell are summed at once: a pass over all pairs costs most
    rows = torch.cat([rows, row_terms, torch.ones_like(row_terms)], dim=-1)
    columns = torch.cat([columns, torch.ones_like(column_terms), column_terms], dim=-1)
    covariance = (rows[:, 0] @ columns[:, 0].mT).exp_()
    for head in range(1, rows.shape[1]):  # all at once would take six times the memory
        covariance = covariance + (rows[:, head] @ columns[:, head].mT).exp_()
    return covariance


def _exponents(cells: Cells) -> tuple[Tensor, Tensor]:
    """Return places ``(B, H, N, D + 2)``, and the terms ``(B, H, N, 1)`` of a cell in exponents.

    The exponent of a covariance is the product of two places plus the terms of both cells.
    """
    place = cells.place.transpose(1, 2)
    amplitude = cells.amplitude.clamp(min=_LEAST_AMPLITUDE).log().mT[..., None]
    return place, amplitude - 0.5 * place.square().sum(-1, keepdim=True)


def take_cells(values: Tensor, index: Tensor) -> Tensor:
    """Return the values ``(B, n, ...)`` of some cells of ``(B, N, ...)``."""
    shape = (*index.shape, *values.shape[2:])
    return values.gather(1, index.view(*index.shape, *[1] * (values.ndim - 2)).expand(shape))


class Observations(NamedTuple):
    """Color points, one for each cell that has any.

    Attributes:
        cell: ``(B, n)`` numbers of the cells.
        missing: ``(B, n, 2)`` what the automatic answer misses there.
        given: ``(B, n)``, 1 for cells with points and 0 for padding.
    """

    cell: Tensor
    missing: Tensor
    given: Tensor


def observe(missing: Tensor, mask: Tensor, grid: tuple[int, int]) -> Observations:
    """Gather points into the cells of a grid; a cell takes the mean of its points.

    Args:
        missing: ``(B, 2, H, W)`` what the automatic answer misses at points.
        mask: ``(B, 1, H, W)``, 1 at points.
        grid: Rows and columns of cells.
    """
    batch, _, height, width = missing.shape
    rows = torch.arange(height, device=missing.device) * grid[0] // height
    columns = torch.arange(width, device=missing.device) * grid[1] // width
    cell = (rows[:, None] * grid[1] + columns).view(1, -1, 1).expand(batch, -1, 3)
    values = torch.cat([missing * mask, mask], dim=1).flatten(2).mT.float()
    sums = values.new_zeros(batch, grid[0] * grid[1], 3).scatter_add_(1, cell, values)
    count = sums[..., 2]
    cells = count.shape[1]
    numbers = torch.arange(cells, device=count.device)
    order = torch.where(count > 0, numbers - cells, numbers).argsort(dim=1)  # cells with points first
    most = (count > 0).sum(1).max().clamp(min=1)
    step = (most + MOST_CELLS - 1) // MOST_CELLS
    taken = ((most + step - 1) // step).item()
    if is_traced():
        torch._check(taken >= 1)  # torch.export cannot know it; elsewhere the call would import sympy
    index = order[:, torch.arange(taken, device=order.device) * step]
    found = take_cells(sums, index)
    return Observations(index, found[..., :2] / found[..., 2:].clamp(min=1), (found[..., 2] > 0).float())


SLACK = 0.1
"""Distance, ab / 50, that a color may lie outside the hull in `bound_change`: 5 CIE units."""
DIRECTIONS = 16
"""Directions in which `bound_change` limits colors."""
LIMIT_ROUNDS = 4
"""Rounds of `bound_change`, each in the direction of the largest excess."""


def bound_change(mean: Tensor, change: Tensor, chosen: Tensor, given: Tensor) -> Tensor:
    """Limit the change by points so that no color appears that nobody chose.

    Near points of contradicting colors have large weights of opposite sign in a posterior mean, which then
    overshoots. The color of a cell is moved into the convex hull of its automatic color and the colors of
    the points, up to `SLACK`.

    Args:
        mean: ``(B, N, 2)`` automatic color of the cells, ab / 50.
        change: ``(B, N, 2)`` posterior mean of the change.
        chosen: ``(B, n, 2)`` colors of the points, ab / 50.
        given: ``(B, n)``, 1 for points and 0 for padding.

    Returns:
        ``(B, N, 2)``, the limited change.
    """
    angles = torch.arange(DIRECTIONS, device=mean.device) * (2 * torch.pi / DIRECTIONS)
    directions = torch.stack([angles.cos(), angles.sin()]).to(mean)  # (2, D)
    farthest = (chosen @ directions).masked_fill(given[..., None] == 0, -torch.inf).amax(1, keepdim=True)
    limits = torch.maximum(mean @ directions, farthest) + SLACK
    color = mean + change
    for _ in range(LIMIT_ROUNDS):  # near a corner of the hull one limit moves a color beyond its neighbor
        excess, number = (color @ directions - limits).max(-1, keepdim=True)
        color = color - excess.clamp(min=0) * directions.T[number[..., 0]]
    return color - mean


SHARPNESS = 2.0
"""Exponent of the correlation; with a greater one fewer cells decide together."""
COLORFULNESS = 1.42
"""Factor on decided colors of the chroma `CHROMA`: means over uncertain colors are too pale."""
EXPONENT = 0.85
"""Of the chroma: pale colors gain most, so that the same colorfulness costs a smaller error."""
CHROMA = 0.25
"""Chroma, ab / 50, at which the exponent changes nothing."""
LEAST_CHROMA = 0.02
"""Added to the chroma, so that gray stays gray: 1 CIE unit."""
POOL = 4
"""Side of the blocks of cells that are averaged first, which takes a ninth of the time."""
_ALIGNED = 16  # columns; a matrix product of another number of them takes twice the time


def agree(mean: Tensor, logits: Tensor, cells: Cells, grid: tuple[int, int], centers: Tensor) -> Tensor:
    """Return the colors of cells, where those that belong together agree on one.

    Args:
        mean: ``(B, N, 2)`` mean color that the network predicts for each cell, ab / 50.
        logits: ``(B, N, 313)`` distribution of each cell.
        cells: Embedding of the cells.
        grid: Rows and columns of cells, multiples of 4.
        centers: ``(313, 2)`` centers of the bins, ab / 50.

    Returns:
        ``(B, N, 2)``, ab / 50.
    """
    asked = Cells(*(_pool(values, grid) for values in cells))
    share = cell_correlation(cells, asked).clamp(min=1e-6) ** SHARPNESS
    share = share / share.sum(-1, keepdim=True)
    pooled = torch.cat([_pool(logits.log_softmax(-1), grid), _pool(mean, grid)], dim=-1)
    shared = share @ F.pad(pooled, (0, -pooled.shape[-1] % _ALIGNED))
    bins = logits.shape[-1]
    decided = shared[..., :bins].softmax(-1) @ centers
    found: Tensor = decided + mean - shared[..., bins : bins + 2]
    return found


def enliven(colors: Tensor) -> Tensor:
    """Give decided colors more chroma, pale ones the most; hues stay.

    Args:
        colors: ``(B, N, 2)``, ab / 50.
    """
    chroma = torch.linalg.vector_norm(colors, dim=-1, keepdim=True)
    vivid: Tensor = COLORFULNESS * ((chroma + LEAST_CHROMA) / CHROMA) ** (EXPONENT - 1) * colors
    return vivid


def _pool(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the means ``(B, N / 16, ...)`` of blocks of cells of ``(B, N, ...)``."""
    maps = values.flatten(2).mT.reshape(values.shape[0], -1, *grid)
    pooled = F.avg_pool2d(maps, POOL).flatten(2).mT
    return pooled.reshape(*pooled.shape[:2], *values.shape[2:])
