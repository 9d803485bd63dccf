"""Conditioning on color points by Gaussian process regression.

The residual is the difference between the true color and the color predicted without points. A Gaussian
process models the residual over cells of 4 x 4 pixels. The learned covariance of two cells is large if the
cells have similar features and are close to each other. Color points are observations of the residual. The
posterior mean of the residual is added to the prediction (Rasmussen and Williams 2006, chapter 2). This
method has three properties:

- At a point, the result has the color of the point, up to the learned noise.
- A point whose color equals the prediction changes nothing.
- An edit solves a small linear system instead of running the network.

The mean of an uncertain distribution is too pale. `pool_logits` therefore averages the color distributions of
correlated cells geometrically, which suppresses colors that only some cells support. Color differences within
an object do not change.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import float64_device, take_cells, thin_out

MAX_CELLS = 1024
"""Maximum number of cells with points in the linear system; a larger set is subsampled evenly."""
_LENGTH_SCALES = (8.0, 4.0, 0.6, 0.3, 0.12, 0.05)  # initial length scales in units of the longer image side
_INITIAL_NOISE = 0.03
_MIN_AMPLITUDE = 1e-30  # lower bound before the logarithm
_JITTER = 1e-5  # added to the diagonal, because identical cells would make the matrix singular


class Cells(NamedTuple):
    """Cell embeddings, which determine the covariance of two cells.

    Attributes:
        coordinates: ``(B, N, K, D + 2)``, embedding and scaled position of each of N cells for each of K
            kernels.
        amplitude: ``(B, N, K)``, standard deviation of the color residual of each cell for each kernel.
    """

    coordinates: Tensor
    amplitude: Tensor

    def take(self, index: Tensor) -> Self:
        """Return the embeddings of the cells at indices ``(B, n)``."""
        index = index.to(self.amplitude.device)
        return type(self)(take_cells(self.coordinates, index), take_cells(self.amplitude, index))

    def double(self) -> Self:
        """Convert the embeddings to float64; move them to the CPU if the device lacks float64."""
        device = float64_device(self.coordinates.device)
        return type(self)(self.coordinates.to(device).double(), self.amplitude.to(device).double())


class Posterior(NamedTuple):
    """Posterior of the Gaussian process for N cells, of which n cells contain color points.

    Attributes:
        change: ``(B, N, 2)``, posterior mean of the residual, which is added to the color of each cell.
        factor: ``(B, n, n)``, Cholesky factor of the covariance of the cells with points, including noise.
        across: ``(B, N, n)``, covariance between all cells and the cells with points.
    """

    change: Tensor
    factor: Tensor
    across: Tensor


class ColorCovariance(nn.Module):
    """Learned covariance between the color residuals of two cells of an image.

    The residual is the true color minus the color predicted without points. The covariance is a sum of
    squared-exponential kernels. Each kernel has a separate embedding, amplitude and length scale.

    Args:
        width: Number of feature channels.
        heads: Number of kernels.
        dim: Embedding dimension of each kernel.
        hidden: Channels of the hidden layer that precedes the embeddings and amplitudes.
    """

    def __init__(self, width: int, heads: int, dim: int = 16, hidden: int = 128) -> None:
        super().__init__()
        self.heads = heads
        self.hidden = nn.Linear(width + 1, hidden)
        self.embed = nn.Linear(hidden, heads * dim)
        self.amplitude = nn.Linear(hidden, heads)
        self.log_reach = nn.Parameter(torch.tensor(_LENGTH_SCALES[:heads]).log())
        self.log_noise = nn.Parameter(torch.tensor(_INITIAL_NOISE).log())
        nn.init.constant_(self.amplitude.bias, -1.0)

    @property
    def noise(self) -> Tensor:
        """Variance of the observation noise of a point, in squared units of ab / 50."""
        return (2 * self.log_noise).exp()

    def forward(self, features: Tensor, lightness: Tensor) -> Cells:
        """Compute the cell embeddings of a batch of images.

        Args:
            features: ``(B, h, w, C)``, decoder features.
            lightness: ``(B, 1, h, w)``, mean lightness of each cell in [0, 100].
        """
        batch, height, width, _ = features.shape
        scaled_lightness = ((lightness - 50) / 50).permute(0, 2, 3, 1)
        hidden = F.leaky_relu(self.hidden(torch.cat([features, scaled_lightness], dim=-1)), 0.1)
        embedding = self.embed(hidden).view(batch, height * width, self.heads, -1)
        amplitude = F.softplus(self.amplitude(hidden)).view(batch, height * width, self.heads)
        longest = max(height, width)
        # centered coordinates: distances are differences of squares, which lose precision far from 0
        rows = (torch.arange(height, device=features.device) + 0.5 - height / 2) / longest
        columns = (torch.arange(width, device=features.device) + 0.5 - width / 2) / longest
        position = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).view(1, -1, 1, 2)
        scaled = position / self.log_reach.exp()[:, None]
        return Cells(torch.cat([embedding, scaled.expand(batch, -1, -1, -1)], dim=-1), amplitude)

    def posterior(self, across: Tensor, points: Observations) -> Posterior:
        """Condition the Gaussian process on points.

        Args:
            across: ``(B, N, n)``, covariance between all cells and the cells with points; see
                `cell_covariance`. The result has the dtype and device of this tensor.
            points: Observed residuals in the n cells with points.
        """
        points = Observations(*(values.to(across.device) for values in points))
        valid = points.valid
        across = across * valid[:, None]
        noise = torch.where(valid > 0, (self.noise + _JITTER).to(valid), valid.new_ones(()))
        covariance = take_cells(across, points.cell) * valid[..., None] + torch.diag_embed(noise)
        # float64, because nearby points make the system ill-conditioned
        checks = not torch.compiler.is_compiling()  # an exported graph cannot raise errors
        factor = torch.linalg.cholesky_ex(covariance.double(), check_errors=checks).L
        weights = torch.cholesky_solve((points.residual * valid[..., None]).double(), factor)
        return Posterior(across @ weights.to(across), factor.to(across), across)

    def variances(self, cells: Cells, posterior: Posterior) -> tuple[Tensor, Tensor]:
        """Return the variances of the residual before and after conditioning on the points, each ``(B, N)``.

        Args:
            cells: Embeddings of the cells.
            posterior: Result of `posterior` for these cells.
        """
        noise = self.noise.to(cells.amplitude)
        prior = cells.amplitude.square().sum(-1) + noise
        explained = torch.linalg.solve_triangular(posterior.factor, posterior.across.mT, upper=False)
        return prior, (prior - explained.square().sum(1)).clamp(min=0.5 * noise + 1e-6)


def cell_correlation(one: Cells, other: Cells) -> Tensor:
    """Return the correlation ``(B, N, n)`` in [0, 1] between two sets of cells.

    Args:
        one: Embeddings of N cells.
        other: Embeddings of n cells.
    """
    scaled = (
        cells._replace(amplitude=cells.amplitude / cells.amplitude.norm(dim=-1, keepdim=True))
        for cells in (one, other)
    )
    return cell_covariance(*scaled).clamp(max=1)


def cell_covariance(one: Cells, other: Cells) -> Tensor:
    """Return the covariance ``(B, N, n)`` between two sets of cells.

    Args:
        one: Embeddings of N cells.
        other: Embeddings of n cells.
    """
    (rows, row_terms), (columns, column_terms) = _exponents(one), _exponents(other)
    # the matrix product includes the per-cell terms, because each pass over all pairs is expensive
    rows = torch.cat([rows, row_terms, torch.ones_like(row_terms)], dim=-1)
    columns = torch.cat([columns, torch.ones_like(column_terms), column_terms], dim=-1)
    covariance = (rows[:, 0] @ columns[:, 0].mT).exp_()
    for head in range(1, rows.shape[1]):  # a loop, because all heads at once need six times the memory
        covariance = covariance + (rows[:, head] @ columns[:, head].mT).exp_()
    return covariance


def _exponents(cells: Cells) -> tuple[Tensor, Tensor]:
    """Return coordinates ``(B, H, N, D + 2)`` and per-cell exponent terms ``(B, H, N, 1)``.

    The exponent of a kernel is the dot product of two coordinates plus the terms of both cells.
    """
    coordinates = cells.coordinates.transpose(1, 2)
    amplitude = cells.amplitude.clamp(min=_MIN_AMPLITUDE).log().mT[..., None]
    return coordinates, amplitude - 0.5 * coordinates.square().sum(-1, keepdim=True)


class Observations(NamedTuple):
    """Color points, merged into at most one observation per cell.

    Attributes:
        cell: ``(B, n)``, cell indices.
        residual: ``(B, n, 2)``, point color minus the color predicted without points, averaged over the
            pixels of the cell that points cover.
        valid: ``(B, n)``, 1 for cells with points and 0 for padding.
    """

    cell: Tensor
    residual: Tensor
    valid: Tensor


def observe(residual: Tensor, mask: Tensor, grid: tuple[int, int]) -> Observations:
    """Average the residuals of the color points within each cell of a grid.

    The image with the most selected cells determines n, which is at least 1. If more than `MAX_CELLS` cells
    of an image contain points, the cells of this image are subsampled evenly.

    Args:
        residual: ``(B, 2, H, W)``, point color minus the color predicted without points; ignored at pixels
            without a point.
        mask: ``(B, 1, H, W)``, 1 at pixels with a point, else 0.
        grid: Number of rows and columns of cells.
    """
    # sum the residuals and count the pixels with points in each of N cells
    batch, _, height, width = mask.shape
    row_count, column_count = grid
    rows = torch.arange(height, device=mask.device) * row_count // height
    columns = torch.arange(width, device=mask.device) * column_count // width
    cell_of_pixel = (rows[:, None] * column_count + columns).view(1, -1, 1).expand(batch, -1, 3)
    pixels = torch.cat([residual * mask, mask], dim=1).flatten(2).mT.float()  # (B, H * W, 3)
    sums = pixels.new_zeros(batch, row_count * column_count, 3).scatter_add_(1, cell_of_pixel, pixels)

    # select the cells with points; in images with fewer points, other cells pad the selection
    is_selected = thin_out(sums[..., 2] > 0, MAX_CELLS)
    cell_count = is_selected.shape[1]
    numbers = torch.arange(cell_count, device=mask.device)
    sort_keys = torch.where(is_selected, numbers - cell_count, numbers)  # negative for selected cells
    selected_count = is_selected.sum(1).max().clamp(min=1).item()
    if torch.compiler.is_compiling():
        # torch.export cannot infer this; outside of export, the call would import sympy
        torch._check(selected_count >= 1)
        torch._check(selected_count <= cell_count)
    index = sort_keys.argsort(dim=1)[:, :selected_count]
    total, count = torch.split(take_cells(sums, index), [2, 1], dim=-1)
    valid = is_selected.gather(1, index).float()
    return Observations(index, total / count.clamp(min=1), valid)


SLACK = 0.1
"""Distance in ab / 50 that a color may lie outside the convex hull in `bound_change`: 5 CIE units."""
DIRECTIONS = 16
"""Number of directions in which `bound_change` limits colors."""
LIMIT_ROUNDS = 4
"""Iterations of `bound_change`; each corrects the direction of the largest excess."""


def bound_change(mean: Tensor, change: Tensor, point_colors: Tensor, valid: Tensor) -> Tensor:
    """Limit cell colors to the convex hull of the predicted color and the point colors.

    Nearby points with different colors get large posterior weights of opposite sign, so the posterior mean
    overshoots. The convex hull is enlarged by `SLACK`.

    Args:
        mean: ``(B, N, 2)``, color of each cell predicted without points, ab / 50.
        change: ``(B, N, 2)``, posterior mean of the residual, ab / 50.
        point_colors: ``(B, n, 2)``, point colors, ab / 50.
        valid: ``(B, n)``, 1 for points and 0 for padding.

    Returns:
        ``(B, N, 2)``, the limited change.
    """
    angles = torch.arange(DIRECTIONS, device=mean.device) * (2 * torch.pi / DIRECTIONS)
    directions = torch.stack([angles.cos(), angles.sin()]).to(mean)  # unit vectors (2, D)
    # a color lies in the hull if its extent in each direction is at most the extent of the hull
    point_extents = (point_colors @ directions).masked_fill(valid[..., None] == 0, -torch.inf)
    hull_extents = torch.maximum(mean @ directions, point_extents.amax(1, keepdim=True))
    limits = hull_extents + SLACK  # (B, N, D)
    color = mean + change
    for _ in range(LIMIT_ROUNDS):  # near a corner of the hull, one correction can violate another limit
        excess, worst = (color @ directions - limits).max(dim=-1)  # (B, N)
        color = color - excess.clamp(min=0)[..., None] * directions.T[worst]
    return color - mean


SHARPNESS = 4.0
"""Exponent of the correlation; a larger value pools fewer cells."""
COLORFULNESS = 1.34
"""Chroma gain at chroma `CHROMA`, because means over uncertain colors are too pale."""
EXPONENT = 0.85
"""Exponent of the chroma; below 1, pale colors gain most, which costs the least error."""
CHROMA = 0.25
"""Chroma in ab / 50 at which the exponent has no effect."""
CHROMA_OFFSET = 0.02
"""Offset of the chroma in ab / 50 (1 CIE unit), so that gray stays gray."""
POOL = 4
"""Side of the cell blocks that are averaged before pooling, which reduces the computation."""
_ALIGNED = 16  # matrix products with other column counts are slower


def pool_logits(mean: Tensor, logits: Tensor, cells: Cells, grid: tuple[int, int], centers: Tensor) -> Tensor:
    """Combine the color distributions of correlated cells and return the mean colors.

    The distributions are averaged geometrically, with weights that increase with the correlation. The
    deviation of a cell's mean color from the weighted average color is then added, so color differences
    between correlated cells are preserved.

    Args:
        mean: ``(B, N, 2)``, predicted mean color of each cell, ab / 50.
        logits: ``(B, N, 313)``, logits of the color distribution of each cell.
        cells: Cell embeddings, from which the correlations are computed.
        grid: Number of rows and columns of cells, both multiples of 4.
        centers: ``(313, 2)``, centers of the ab bins, ab / 50.

    Returns:
        Colors ``(B, N, 2)``, ab / 50.
    """
    blocks = Cells(*(_pool(values, grid) for values in cells))
    weights = cell_correlation(cells, blocks).clamp(min=1e-6) ** SHARPNESS  # (B, N, N / 16)
    weights = weights / weights.sum(-1, keepdim=True)

    # one matrix product averages log-probabilities and mean colors; padding columns are ignored
    block_values = torch.cat([_pool(logits.log_softmax(-1), grid), _pool(mean, grid)], dim=-1)
    averages = weights @ F.pad(block_values, (0, -block_values.shape[-1] % _ALIGNED))
    bins = logits.shape[-1]
    average_log_probability = averages[..., :bins]
    average_mean = averages[..., bins : bins + 2]

    pooled_mean = average_log_probability.softmax(-1) @ centers
    return pooled_mean + mean - average_mean


def boost_chroma(colors: Tensor) -> Tensor:
    """Multiply colors by a factor that is largest for pale colors; hues do not change.

    The factor compensates for the low chroma of mean colors.

    Args:
        colors: ``(B, N, 2)``, ab / 50.
    """
    chroma = torch.linalg.vector_norm(colors, dim=-1, keepdim=True)
    return COLORFULNESS * ((chroma + CHROMA_OFFSET) / CHROMA) ** (EXPONENT - 1) * colors


def _pool(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average ``(B, N, ...)`` over blocks of 4 x 4 cells to ``(B, N / 16, ...)``."""
    maps = values.flatten(2).mT.reshape(values.shape[0], -1, *grid)
    pooled = F.avg_pool2d(maps, POOL).flatten(2).mT
    return pooled.reshape(*pooled.shape[:2], *values.shape[2:])
