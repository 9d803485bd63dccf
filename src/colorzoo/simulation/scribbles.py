"""Simulated scribbles along true color edges that are missing in a colorized image.

Kim et al. 2021 state only that scribbles are derived from the Sobel maps of the true image and the colorized
image. The counts, widths and thresholds are defined here and described on the documentation page of
``kim2021``. There are two simulations:

- `simulate_scribbles` is used for training. It is batched and runs on the device of the images. A stroke
  grows along one connected edge from a random pixel.
- `BledEdgeScribbles` is used for evaluation. It traces whole edges on the CPU and draws the edges with the
  largest missing magnitude first. `bled_edges` marks the edge pixels for the metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.edges import sobel, sobel_gradients
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.randomness import Generators, copy_to, draw_uniform, stream_seed
from colorzoo.simulation.session import InputFunction, SessionResult, TargetImage

_GRID = 8  # cells along each side of the coarse displacement field
_MIN_EDGE = 0.02  # minimum Sobel magnitude of ab / 110 at an edge
_EDGE_QUANTILE = 0.9  # quantile of the true magnitude above which a pixel is an edge
_LOST_SHARE = 0.3  # minimum fraction of the true magnitude that the result lacks at a missing edge
MIN_RUN, MAX_RUN = 10, 120  # length of a stroke along its edge in pixels
_BEND = 12  # distance in pixels along a stroke between two random offsets

Run = NDArray[np.int64]


def simulate_scribbles(
    ab: Tensor,
    true_ab: Tensor,
    generators: Generators,
    *,
    lost: float = _LOST_SHARE,
    most: int = 5,
    shortest: int = 10,
    reach: tuple[int, int] = (10, 40),
    widths: tuple[int, ...] = (3, 5, 7),
    jitter: float = 2.0,
    none: float = 0.1,
) -> Scribbles:
    """Draw strokes over true color edges that are missing in a colorized image.

    If no edge is missing, strokes are drawn over any true edge.

    Args:
        ab: ``(B, 2, H, W)`` ab of the colorized images in CIE units.
        true_ab: ``(B, 2, H, W)`` ab of the true images in CIE units.
        generators: A random generator for the batch, or a generator for each image.
        lost: Minimum fraction of the true edge magnitude that a missing edge lacks; see `lost_edges`.
        most: Maximum number of strokes per image. The number is uniformly distributed from 1 to ``most``.
        shortest: Minimum number of pixels along the edge; shorter strokes are dropped.
        reach: Minimum and maximum distance in pixels that a stroke extends along the edge in each direction
            from its first pixel.
        widths: Odd stroke widths in pixels, drawn with equal probability.
        jitter: Maximum displacement of a stroke along each axis in pixels.
        none: Fraction of images without strokes.
    """
    # number of random numbers in [0, 1) that an image requires for each use
    sizes = {"count": 1, "none": 1, "seed": most, "reach": most, "width": most}
    sizes["displacement"] = 2 * _GRID**2
    cpu_draws = draw_uniform(generators, len(ab), sum(sizes.values()), torch.device("cpu"))
    draws = _split_by_name(copy_to(cpu_draws, ab.device), sizes)
    # compute the reach on the CPU, so that the longest reach is read without a device synchronization
    min_reach, max_reach = reach
    reach_draws = _split_by_name(cpu_draws, sizes)["reach"]
    steps = (min_reach + reach_draws * (max_reach - min_reach + 1)).floor()
    longest_reach = int(steps.numpy().max())

    edges, weight = lost_edges(ab, true_ab, lost)
    # draw the first pixel of each stroke in proportion to the weights; flat indices (B, strokes)
    mass = weight.flatten(1).double().cumsum(dim=1)
    seeds = torch.searchsorted(mass, draws["seed"].double() * mass[:, -1:], right=True)
    seeds = seeds.clamp(max=mass.shape[1] - 1)
    lines = _grow(edges, seeds, copy_to(steps, ab.device), longest_reach)  # (B, strokes, H, W)

    has_strokes = draws["none"] >= none
    counts = 1 + (draws["count"] * most).floor()  # strokes of each image with strokes, (B, 1)
    is_drawn = (torch.arange(most, device=ab.device) < counts) & has_strokes  # (B, strokes)
    is_long = lines.sum(dim=(2, 3)) >= shortest
    kept_lines = lines * (is_drawn & is_long)[:, :, None, None]
    # dilate each stroke to a randomly chosen width, and join the strokes of an image
    choice = (draws["width"] * len(widths)).long()[:, :, None, None]
    wide = torch.zeros_like(kept_lines)
    for index, width in enumerate(widths):
        grown = F.max_pool2d(kept_lines, width, stride=1, padding=width // 2)
        wide = torch.where(choice == index, grown, wide)
    mask = wide.amax(dim=1, keepdim=True)
    # displace the strokes by a smooth random field
    rows, columns = mask.shape[-2:]
    coarse = (2 * draws["displacement"] - 1).view(-1, 2, _GRID, _GRID) * jitter
    fine = F.interpolate(coarse, (rows, columns), mode="bilinear", align_corners=True)
    y = torch.arange(rows, device=mask.device)[:, None] + fine[:, 1]
    x = torch.arange(columns, device=mask.device)[None, :] + fine[:, 0]
    grid = torch.stack([(2 * x + 1) / columns - 1, (2 * y + 1) / rows - 1], dim=-1)
    displaced = F.grid_sample(mask, grid, mode="bilinear", align_corners=False)
    return Scribbles((displaced >= 0.5).float())


def _split_by_name(draws: Tensor, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Split the columns of random numbers into named parts."""
    return dict(zip(sizes, torch.split(draws, list(sizes.values()), dim=1), strict=True))


def lost_edges(ab: Tensor, true_ab: Tensor, lost: float = _LOST_SHARE) -> tuple[Tensor, Tensor]:
    """Find true color edges that are missing in a colorized image, for training.

    The edges are about one pixel wide. For an image without missing edges, all true edges are returned, with
    their true magnitude.

    Args:
        ab: ``(B, 2, H, W)`` ab of the colorized images in CIE units.
        true_ab: ``(B, 2, H, W)`` ab of the true images in CIE units.
        lost: Minimum fraction of the true edge magnitude that the result must lack at a pixel for the edge to
            count as missing.

    Returns:
        Edge mask ``(B, 1, H, W)`` in {0, 1}, and the missing magnitude ``(B, 1, H, W)`` at each edge pixel.
    """
    true_gradients = sobel_gradients(true_ab / AB_SCALE)
    strength = _magnitude(true_gradients)
    missing = strength - _magnitude(sobel_gradients(ab / AB_SCALE))
    threshold = torch.quantile(strength.flatten(1), _EDGE_QUANTILE, dim=1).clamp(min=_MIN_EDGE)
    # edge pixels are local maxima of the strength along the axis closest to the edge normal
    x, y = true_gradients.square().sum(dim=1).unbind(dim=1)
    padded = F.pad(strength, (1, 1, 1, 1))
    across_x = torch.maximum(padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:])
    across_y = torch.maximum(padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1])
    is_ridge = strength >= torch.where((x >= y).unsqueeze(1), across_x, across_y)
    is_edge = (strength >= threshold.view(-1, 1, 1, 1)) & is_ridge
    is_lost = is_edge & (missing >= lost * strength)
    # without a lost edge, all edges are returned, weighted with their true magnitude
    has_lost = is_lost.flatten(1).any(dim=1).view(-1, 1, 1, 1)
    edges = torch.where(has_lost, is_lost, is_edge).float()
    return edges, torch.where(has_lost, missing, strength) * edges


def _magnitude(gradients: Tensor) -> Tensor:
    return gradients.square().sum(dim=(1, 2)).sqrt().unsqueeze(1)


def _grow(edges: Tensor, seeds: Tensor, steps: Tensor, most: int) -> Tensor:
    """Return masks ``(B, N, H, W)`` of the edge pixels at most ``steps`` away from each seed."""
    batch, _, height, width = edges.shape
    remaining = edges.new_zeros(batch, seeds.shape[1], height * width)  # steps from each pixel, plus 1
    remaining.scatter_(2, seeds.unsqueeze(2), (steps + 1).unsqueeze(2))
    remaining = remaining.view(batch, -1, height, width) * edges
    for _ in range(most):
        # maximum over each 3 x 3 neighborhood; ten times faster than max pooling on a CPU
        padded = F.pad(remaining, (1, 1, 1, 1))
        rows = torch.maximum(torch.maximum(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
        around = torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
        remaining = torch.maximum(remaining, (around - 1) * edges)
    return (remaining > 0).float()


@dataclass(frozen=True)
class BledEdgeScribbles:
    """Simulated user that draws strokes over true color edges missing in the first result.

    The first result is the output of the model without scribbles. The edges with the largest missing
    magnitude are drawn first.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> lab[:, 1:, :, 24:] = -20.0
        >>> target = TargetImage(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0)
        >>> gray = SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, _ = BledEdgeScribbles(width=3).begin(target, gray, None)(1, gray)
        >>> guidance.scribbles.mask.shape
        torch.Size([1, 1, 32, 48])

    Attributes:
        width: Odd width of a stroke in pixels.
        jitter: Maximum displacement of a stroke along each axis in pixels; the displacement varies smoothly.
        coverage: Fraction of each edge that its stroke covers, at a random position.
    """

    width: int = 5
    jitter: float = 0.0
    coverage: float = 1.0
    kind: ClassVar[str] = "scribbles"
    adaptive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.width < 1 or self.width % 2 == 0 or self.jitter < 0 or not 0 < self.coverage <= 1:
            raise GuidanceError(
                "'width' must be odd, 'jitter' must be at least 0, and 'coverage' must be in (0, 1]; "
                f"got width {self.width}, jitter {self.jitter} and coverage {self.coverage}"
            )

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        random = np.random.default_rng(stream_seed("scribbles", target.seed))
        runs: list[Run] = []
        for run in bled_runs(first.ab, target.ab):
            # cut a random piece from the edge and displace it smoothly, like a hand-drawn stroke
            length = max(1, round(self.coverage * len(run)))
            start = int(random.integers(len(run) - length + 1))
            piece = run[start : start + length]
            turns = np.arange(0, length + _BEND, _BEND)
            offsets = random.uniform(-self.jitter, self.jitter, (2, len(turns)))
            bent = np.stack([np.interp(np.arange(length), turns, each) for each in offsets], axis=1)
            runs.append(np.rint(piece + bent).astype(np.int64))

        def give_input(count: int, _: SessionResult) -> tuple[Guidance, int]:
            mask = draw_runs(runs[:count], self.width, target.ab[:, :1])
            return Guidance(scribbles=Scribbles(mask)), min(count, len(runs))

        return give_input


def draw_runs(runs: list[Run], width: int, like: Tensor) -> Tensor:
    """Draw strokes as a mask.

    Args:
        runs: Row and column ``(N, 2)`` of the pixels of each stroke; pixels outside the image are ignored.
        width: Odd width of the strokes in pixels.
        like: ``(1, 1, H, W)`` tensor that determines size, dtype and device of the result.

    Returns:
        ``(1, 1, H, W)`` float32 in {0, 1}.
    """
    rows, columns = like.shape[-2:]
    mask = torch.zeros_like(like)
    for run in runs:
        inside = run[(run >= 0).all(axis=1) & (run[:, 0] < rows) & (run[:, 1] < columns)]
        mask[0, 0, inside[:, 0], inside[:, 1]] = 1
    return F.max_pool2d(mask, width, stride=1, padding=width // 2)


def bled_edges(ab: Tensor, true_ab: Tensor) -> Tensor:
    """Mark true color edges that are missing in a colorized image, for evaluation.

    The edges are one pixel wide.

    Examples:
        >>> truth = torch.zeros(1, 2, 32, 48)
        >>> truth[..., 24:] = -40.0
        >>> bled_edges(torch.zeros_like(truth), truth).shape
        torch.Size([1, 1, 32, 48])

    Args:
        ab: ``(B, 2, H, W)`` ab of the colorized images in CIE units.
        true_ab: ``(B, 2, H, W)`` ab of the true images in CIE units.

    Returns:
        ``(B, 1, H, W)`` float32 in {0, 1}: 8-connected runs of at least `MIN_RUN` pixels.
    """
    pairs = zip(torch.split(ab, 1), torch.split(true_ab, 1), strict=True)
    maps = [_edge_map(image_ab, image_true_ab) for image_ab, image_true_ab in pairs]
    return torch.from_numpy(np.stack(maps)[:, None]).float().to(ab.device)


def bled_runs(ab: Tensor, true_ab: Tensor) -> list[Run]:
    """Return strokes along true color edges that are missing in a colorized image.

    Strokes are sorted by missing magnitude, largest first.

    Examples:
        >>> truth = torch.zeros(1, 2, 32, 48)
        >>> truth[..., 24:] = -40.0
        >>> runs = bled_runs(torch.zeros_like(truth), truth)
        >>> runs[0].shape
        (31, 2)

    Args:
        ab: ``(1, 2, H, W)`` ab of the colorized image in CIE units.
        true_ab: ``(1, 2, H, W)`` ab of the true image in CIE units.

    Returns:
        Row and column ``(N, 2)`` of the pixels of each stroke, with N from `MIN_RUN` to `MAX_RUN`.
    """
    from scipy.sparse.csgraph import breadth_first_order
    from scipy.spatial import KDTree

    runs: list[Run] = []
    for component in _components(_edge_map(ab, true_ab)):
        # sort the pixels by path length from one end; the distance of neighbors is 1 or sqrt(2)
        tree = KDTree(component)
        neighbors = tree.sparse_distance_matrix(tree, 1.5, output_type="coo_matrix").tocsr()
        end = breadth_first_order(neighbors, 0, return_predecessors=False)[-1]
        ordered = component[breadth_first_order(neighbors, end, return_predecessors=False)]
        pieces = max(1, -(-len(ordered) // MAX_RUN))
        runs += [run for run in np.array_split(ordered, pieces) if len(run) >= MIN_RUN]
    missing = _lost_strength(ab, true_ab)
    return sorted(runs, key=lambda run: float(missing[run[:, 0], run[:, 1]].sum()), reverse=True)


def _edge_strength(ab: Tensor) -> Tensor:
    """Return the ``(H, W)`` Sobel magnitude of one image, combined over a / 110 and b / 110."""
    strength: Tensor = torch.linalg.vector_norm(sobel(ab / AB_SCALE), dim=1, keepdim=True)
    return strength[0, 0]


def _lost_strength(ab: Tensor, true_ab: Tensor) -> NDArray[np.float32]:
    return (_edge_strength(true_ab) - _edge_strength(ab)).clamp(min=0).cpu().numpy()


def _edge_map(ab: Tensor, true_ab: Tensor) -> NDArray[np.bool_]:
    from skimage.morphology import thin

    true = _edge_strength(true_ab).cpu().numpy()
    strong = true >= max(_MIN_EDGE, float(np.quantile(true, _EDGE_QUANTILE)))
    bled: NDArray[np.bool_] = thin(strong & (_lost_strength(ab, true_ab) >= _LOST_SHARE * true))
    kept = np.zeros_like(bled)
    for part in _components(bled):
        kept[part[:, 0], part[:, 1]] = True
    return kept


def _components(edges: NDArray[np.bool_]) -> list[Run]:
    """Return the pixels of each 8-connected component of at least `MIN_RUN` pixels, row-major."""
    from skimage.measure import label, regionprops

    components = regionprops(label(edges, connectivity=2))
    return [component.coords for component in components if len(component.coords) >= MIN_RUN]
