"""Losses and image warps under bfloat16 autocast, compared with float32 computation of the same inputs."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import colorzoo.losses
from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.precision import in_float32
from colorzoo.zoo.zhang2019.task import previous_frames

NO_LOSSES = {"sum_over_processes", "weighted_sum", "widened"}


def values(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return random numbers that bfloat16 represents exactly."""
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape) + int(high)))
    return (low + (high - low) * drawn).bfloat16()


def ab(high: float = 60.0) -> Tensor:
    return values(2, 2, 16, 16, low=-60.0, high=high)


def logits(count: int) -> Tensor:
    return values(2, count, 4, 4, low=-4.0, high=4.0)


# the first argument is the input that receives the gradient
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "smooth_l1_map": (ab(), ab(61.0)),
    "weighted_by_chroma": (values(2, 1, 16, 16), ab(), 1.0),
    "with_weighted_gradient": (values(2, 16, 16), values(2, 16, 16, high=6.0)),
    "grid_cross_entropy": (logits(529), ab()),
    "bilinear_cross_entropy": (logits(313), ab()[:, :, ::4, ::4]),
    "rebalanced_cross_entropy": (logits(313), ab()[:, :, ::4, ::4], values(313, high=6.0)),
    "self_reference_l1": (ab(), ab(61.0), torch.ones(2)),
    "unmatched_perceptual": (values(2, 8, 4, 4), values(2, 8, 4, 4, high=2.0), values(2, 1, 16, 16)),
    "edge_aware_smoothness": (ab(), values(2, 3, 16, 16, high=90.0)),
    "neighbor_mean": (ab(), values(2, 3, 16, 16, high=90.0)),
    "contextual_loss": (values(2, 32, 8, 8), values(2, 32, 7, 9, high=2.0)),
    "relativistic_loss": (values(8, 1), values(8, 1, high=2.0)),
    "triplet_loss": (
        values(2, 16, 8),
        values(2, 16, 8, high=2.0),
        values(2, 16, 8, high=3.0),
        torch.ones(2, 16),
    ),
    "gram_matrix": (values(2, 8, 16, 16),),
    "feature_distance": ([values(2, 8, 4, 4)], [values(2, 8, 4, 4, high=2.0)]),
    "cross_entropy_gan_loss": (values(2, 1, 6, 6),),
    "least_squares_loss": (values(2, 1, 6, 6),),
    "least_squares_discriminator_loss": (values(2, 1, 6, 6), values(2, 1, 6, 6, high=2.0)),
    "soft_histogram": (values(2, 2, 16, 16, low=-1.0),),
    "chi_square_distance": (values(2, 21, 21), values(2, 21, 21, high=2.0)),
    "total_variation": (ab(),),
    "edge_maps": (ab(),),
    "masked_error": (ab(), ab(61.0), torch.ones(2, 1, 16, 16)),
    "edge_error": (ab(), ab(61.0), torch.ones(2, 1, 16, 16)),
    "color_error": (ab(), ab(61.0), torch.ones(2, 1, 16, 16)),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "cross_entropy_gan_loss": {"real": True},
    "grid_cross_entropy": {"stride": 4},
    "triplet_loss": {"margin": 12.0},
}


def public_losses() -> dict[str, Callable[..., Tensor]]:
    """Return all public functions in the modules of `colorzoo.losses`."""
    modules = [f"colorzoo.losses.{info.name}" for info in pkgutil.iter_modules(colorzoo.losses.__path__)]
    members = [member for name in modules for member in vars(importlib.import_module(name)).items()]
    return {
        name: function
        for name, function in members
        if inspect.isfunction(function) and function.__module__ in modules
        if not name.startswith("_") and name not in NO_LOSSES
    }


def computed(
    loss: Callable[..., Tensor], first: Any, *more: Any, low: bool, **options: Any
) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient with respect to the first argument; ``low`` enables autocast."""
    leaf: Tensor = (first[0] if isinstance(first, list) else first).detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        found = loss([leaf] if isinstance(first, list) else leaf, *more, **options)
    torch.autograd.backward(found.float().mean())
    assert leaf.grad is not None
    return found.detach(), leaf.grad


def full(value: Any) -> Any:
    if isinstance(value, list):
        return [each.float() for each in value]
    return value.float() if isinstance(value, Tensor) else value


def test_all_public_losses_are_tested() -> None:
    assert public_losses().keys() == ARGUMENTS.keys()


@pytest.mark.parametrize("rounded", [True, False], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_loss_under_autocast_equals_float32(name: str, rounded: bool) -> None:
    loss, options, exact = public_losses()[name], OPTIONS.get(name, {}), [full(v) for v in ARGUMENTS[name]]
    expected, gradient = computed(loss, *exact, low=False, **options)
    found, found_gradient = computed(loss, *(ARGUMENTS[name] if rounded else exact), low=True, **options)
    torch.testing.assert_close(found, expected)
    tolerance = 0.01 if rounded else 1e-5  # the gradient of a bfloat16 tensor is rounded
    torch.testing.assert_close(found_gradient.float(), gradient, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("warp", [crop_flip_reference, warp_jitter_reference])
def test_made_references_ignore_autocast(warp: Callable[..., Tensor]) -> None:
    rgb = values(2, 3, 64, 64).float()
    expected = warp(rgb, torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        found = warp(rgb, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_simulated_previous_frames_ignore_autocast() -> None:
    lab, seeds = values(4, 3, 64, 64, high=90.0).float(), torch.arange(4)
    expected = previous_frames(lab, seeds, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = previous_frames(lab, seeds, 1.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


class Pair(NamedTuple):
    ab: Tensor
    weights: list[Tensor]


def test_float32_arguments_keep_their_types() -> None:
    half, full = torch.ones(1).bfloat16(), torch.ones(1)
    arguments = in_float32(lambda *values: values)(Pair(half, [half]), (half, half), half.shape, [half])
    pair, both, shape, each = arguments
    assert isinstance(pair, Pair)
    assert pair.ab.dtype == pair.weights[0].dtype == torch.float32
    assert both == (full, full)
    assert both[0].dtype == each[0].dtype == torch.float32
    assert isinstance(shape, torch.Size)
    assert isinstance(each, list)
