"""Parts of models that golden files cover, against plain float64 code at odd and non-square sizes."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.he2018.network import GrayVGG
from colorzoo.zoo.iizuka2016.network import scale

Array = NDArray[np.float64]
State = Mapping[str, Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def drawn(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64)


def state_of(network: torch.nn.Module) -> State:
    """Return the float64 state of a network whose statistics are no longer those of a new one."""
    network.double().eval()
    for name, value in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            value.uniform_(0.5, 1.5)
    return {name: value.detach() for name, value in network.state_dict().items()}


def conv(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], stride, weight.shape[-1] // 2)


def normalized(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = (state[f"{name}.running_{each}"].view(-1, 1, 1) for each in ("mean", "var"))
    return (x - mean) / (variance + 1e-5).sqrt()


def along(maps: Array, axis: int, function: Callable[[Array], Array]) -> Array:
    return np.apply_along_axis(function, axis, maps)


def resampled(row: Array, size: int) -> Array:
    """Resize a row as ``image.scale`` of Torch7."""
    old = len(row)
    if size > old:
        return np.interp(np.arange(size) * (old - 1) / (size - 1), np.arange(old), row)
    sums = np.interp(np.arange(size + 1) * old / size, np.arange(old + 1), np.append(0, row.cumsum()))
    return np.diff(sums) * size / old


def plain_scale(maps: Tensor, size: tuple[int, int]) -> Tensor:
    found = maps.numpy()
    for axis, side in zip((3, 2), size[::-1], strict=True):
        if found.shape[axis] != side:
            found = along(found, axis, lambda row, side=side: resampled(row, side))
    return torch.from_numpy(found)


@pytest.mark.parametrize("size", [(7, 40), (23, 11), (41, 31), (64, 1), (1, 9)])
def test_iizuka2016_resizing(size: tuple[int, int]) -> None:
    for maps in (drawn(2, 2, 23, 31), drawn(2, 2, 23, 1)):
        torch.testing.assert_close(scale(maps, size).double(), plain_scale(maps, size), rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_he2018_gray_features() -> None:
    network = GrayVGG(1 / 16)
    state, levels = state_of(network), 255 * drawn(2, 1, 37, 50)
    x = normalized(state, "scale", levels.expand(-1, 3, -1, -1))
    x = x * state["scale.weight"].view(-1, 1, 1) + state["scale.bias"].view(-1, 1, 1)
    wanted: list[Tensor] = []
    for block, count in enumerate((2, 2, 4, 4, 1)):
        if block:  # a last odd row or column is pooled alone
            below, right = x.shape[-2] % 2, x.shape[-1] % 2
            x = F.max_pool2d(F.pad(x, (0, right, 0, below), value=-np.inf), 2)
        for layer in range(count):
            name = f"blocks.{block}.{layer}"
            x = normalized(state, f"{name}.1", conv(state, f"{name}.0", x)).relu()
            wanted = [x, *wanted] if layer == 0 else wanted
    for found, each in zip(network.of_levels(levels), wanted, strict=True):
        torch.testing.assert_close(found, each)
