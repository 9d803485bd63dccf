"""Parts of models that golden files cover, against plain float64 code at odd and non-square sizes."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.he2018.matching import distances, round_trip, warp
from colorzoo.zoo.he2018.network import SCALES, GrayVGG
from colorzoo.zoo.iizuka2016.network import JointPriorNetwork, scale
from colorzoo.zoo.larsson2016.network import HypercolumnNetwork, columns
from colorzoo.zoo.larsson2016.task import window_shares
from colorzoo.zoo.li2018.network import PhotoWCT, recolor
from colorzoo.zoo.li2018.smoothing import affine_models, affinities, averaged_models, smooth_guided
from parity.pipelines.li2018 import rebuild

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


def box_means(maps: Array, radius: int) -> Array:
    """Return means over squares of ``(H, W, ...)``, whose border is mirrored."""
    height, width = maps.shape[:2]
    around = [(radius, radius)] * 2 + [(0, 0)] * (maps.ndim - 2)
    padded, side = np.pad(maps, around, mode="symmetric"), 2 * radius + 1
    places = product(range(side), repeat=2)
    return sum(padded[y : y + height, x : x + width] for y, x in places) / side**2


@torch.inference_mode()
def test_larsson2016_hypercolumns_are_dense() -> None:
    network = HypercolumnNetwork(1 / 32)
    state, gray = state_of(network), drawn(2, 1, 96, 64)
    maps, x, stride = [F.avg_pool2d(gray, 4)], gray, 1
    for name in network.trunk:
        if (name.endswith("_1") and name != "conv1_1") or name == "fc6":
            x, stride = F.max_pool2d(x, 2), 2 * stride
        x = conv(state, f"trunk.{name}.conv", x).relu()
        maps.append(F.avg_pool2d(x, 4 // stride) if stride < 4 else deconvolved(x, stride // 4))
    hidden = conv(state, "hidden", torch.cat(maps, dim=1)).relu()
    for name, found in zip(("hue", "chroma"), network(gray), strict=True):
        logits = conv(state, name, hidden)
        torch.testing.assert_close(found, logits.softmax(1).float(), rtol=1e-5, atol=1e-7)


def deconvolved(maps: Tensor, factor: int) -> Tensor:
    """Enlarge maps as a deconvolution of Caffe with its bilinear kernel."""
    if factor == 1:
        return maps
    center = factor - 0.5
    rise = 1 - (torch.arange(2 * factor, dtype=torch.float64) - center).abs() / factor
    kernel = (rise[:, None] * rise).expand(maps.shape[1], 1, -1, -1)
    return F.conv_transpose2d(maps, kernel, stride=factor, padding=factor // 2, groups=maps.shape[1])


def test_larsson2016_columns_and_targets() -> None:
    maps = [drawn(2, 2, 12, 20), drawn(2, 3, 6, 10), drawn(2, 1, 3, 5)]
    scales, offsets = [1, 2, 4], [0.0, 0.5, 1.5]
    places = torch.cat([12 * drawn(2, 9, 1), 20 * drawn(2, 9, 1)], dim=2).floor()
    wanted = []
    for picture, column in product(range(2), range(9)):
        values: list[Array] = []
        for each, step, offset in zip(maps, scales, offsets, strict=True):
            at = (places[picture, column].numpy() - offset) / step
            at = np.clip(at, 0, np.array(each.shape[-2:]) - 1.0001)
            (y, x), (dy, dx) = at.astype(int), at % 1
            near = each[picture].numpy()[:, y : y + 2, x : x + 2]
            values.append(np.einsum("cyx,y,x->c", near, [1 - dy, dy], [1 - dx, dx]))
        wanted.append(np.concatenate(values))
    found = columns(maps, places, scales, offsets)
    torch.testing.assert_close(found, torch.from_numpy(np.stack(wanted)))

    bins = torch.randint(32, (2, 12, 20))
    for window in (4, 7):
        first = [[max(0, int(side) - window // 2) for side in place] for place in places.flatten(0, 1)]
        last = [[int(side) - window // 2 + window for side in place] for place in places.flatten(0, 1)]
        seen = [
            bins[index // 9, y:below, x:right].flatten()
            for index, ((y, x), (below, right)) in enumerate(zip(first, last, strict=True))
        ]
        shares = torch.stack([each.bincount(minlength=32) / len(each) for each in seen])
        torch.testing.assert_close(window_shares(bins, places, window), shares)


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
@pytest.mark.parametrize("size", [(45, 61), (83, 38)])
def test_iizuka2016_network(size: tuple[int, int]) -> None:
    network, side = JointPriorNetwork(1 / 16, scene_side=32), 32
    gray = drawn(2, 1, *size)
    found = network(gray.float())
    state = state_of(network)

    def stack(part: str, x: Tensor, strides: tuple[int, ...], first: int = 1) -> Tensor:
        for number, stride in enumerate(strides, start=first):
            x = conv(state, f"{part}.conv{number}", x, stride).relu()
        return x

    def dense(name: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]).relu()

    local = plain_scale(gray, tuple(8 * ((each + 4) // 8) for each in size)) - state["mean"]  # type: ignore[arg-type]
    low, square = (stack("low", x, (2, 1, 2, 1, 2, 1)) for x in (local, plain_scale(local, (side, side))))
    scene = dense("scene.fc2", dense("scene.fc1", stack("scene", square, (2, 1, 2, 1)).flatten(1)))
    mid = stack("mid", low, (1, 1))
    everywhere = dense("style.fc3", scene)[:, :, None, None].expand(-1, -1, *mid.shape[-2:])
    x = stack("color", torch.cat([mid, everywhere], dim=1), (1, 1))
    x = stack("color", x.repeat_interleave(2, 2).repeat_interleave(2, 3), (1, 1), 3)
    x = stack("color", x.repeat_interleave(2, 2).repeat_interleave(2, 3), (1,), 5)
    wanted = 200 * plain_scale(conv(state, "color.conv6", x).sigmoid(), size) - 100
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-3)


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


def drawn_matches(size: tuple[int, int], other: tuple[int, int]) -> Tensor:
    """Return matches ``(2, 2, H, W)``, some of them outside of the other picture."""
    x = torch.randint(-2, other[1] + 2, (2, 1, *size))
    return torch.cat([x, torch.randint(-2, other[0] + 2, (2, 1, *size))], dim=1)


def inside(place: tuple[int, int], size: tuple[int, int]) -> bool:
    return 0 <= place[0] < size[0] and 0 <= place[1] < size[1]


def test_he2018_warped_pictures() -> None:
    size, other = (7, 9), (6, 11)
    there, back, picture = drawn_matches(size, other), drawn_matches(other, size), drawn(2, 3, *other)
    found, trip = warp(picture, there), round_trip(there, back)
    for index, row, column in product(range(2), range(size[0]), range(size[1])):
        shown = []
        for dy, dx in product((-1, 0, 1), repeat=2):
            near = (row + dy, column + dx)
            if inside(near, size):
                x, y = (there[index, :, *near] - torch.tensor([dx, dy])).tolist()
                if inside((y, x), other):
                    shown.append(picture[index, :, y, x])
        mean = torch.stack(shown).mean(0) if shown else torch.zeros(3, dtype=torch.float64)
        torch.testing.assert_close(found[index, :, row, column], mean)
        x, y = there[index, :, row, column].tolist()
        goal = back[index, :, y, x].tolist() if inside((y, x), other) else [column, row]
        assert trip[index, :, row, column].tolist() == goal


def feature_at(maps: Array, place: tuple[int, int], step: int) -> Array:
    """Return the unit vector of features ``(C, h, w)`` at a pixel."""
    at = [(each + step // 2) / step for each in place]
    low = [min(int(each), side - 1) for each, side in zip(at, maps.shape[1:], strict=True)]
    high = [min(int(each) + 1, side - 1) for each, side in zip(at, maps.shape[1:], strict=True)]
    (dy, dx), found = (each % 1 for each in at), np.zeros(len(maps))
    for (y, near_y), (x, near_x) in product(
        ((low[0], 1 - dy), (high[0], dy)), ((low[1], 1 - dx), (high[1], dx))
    ):
        found += near_y * near_x * maps[:, y, x]
    return found / np.linalg.norm(found)


def test_he2018_errors() -> None:
    size, other = (13, 19), (18, 11)
    there, back = drawn_matches(size, other), drawn_matches(other, size)
    ours, theirs = (
        [0.1 + drawn(2, 3, -(-each[0] // step), -(-each[1] // step)) for step in SCALES]
        for each in (size, other)
    )
    forward, backward = distances(ours, theirs, there, back)

    def compared(a: Array, b: Array, matches: Tensor, place: tuple[int, int], step: int) -> float:
        x, y = matches[:, *place].tolist()
        ends = (size, other) if matches.shape[1:] == size else (other, size)
        if not inside((y, x), ends[1]):
            return 0.0
        return -float(feature_at(a, place, step) @ feature_at(b, (y, x), step))

    for index, level in product(range(2), range(len(SCALES))):
        a, b = ours[level][index].numpy(), theirs[level][index].numpy()
        for place in product(range(0, size[0], 3), range(0, size[1], 2)):
            found = forward[index, level, *place].item(), backward[index, level, *place].item()
            x, y = there[index, :, *place].tolist()
            again = compared(b, a, back[index], (y, x), SCALES[level]) if inside((y, x), other) else 0.0
            assert found == pytest.approx(
                (compared(a, b, there[index], place, SCALES[level]), again), abs=1e-9
            )


@torch.inference_mode()
@pytest.mark.usefixtures("_any_algorithm")
def test_li2018_autoencoders() -> None:
    network = PhotoWCT(1 / 16)
    state, rgb = state_of(network), drawn(2, 3, 37, 46)
    steps = ("1_1", "1_2", "", "2_1", "2_2", "", "3_1", "3_2", "3_3", "3_4", "", "4_1")

    def reflected(name: str, x: Tensor) -> Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)

    for level in range(1, 5):
        used = steps[: steps.index(f"{level}_1") + 1]
        encoder, decoder, pools = f"encoders.{level - 1}", f"decoders.{level - 1}", []
        x = F.conv2d(rgb, state[f"{encoder}.conv0.weight"], state[f"{encoder}.conv0.bias"])
        for step in used:
            if step:
                x = reflected(f"{encoder}.conv{step}", x).relu()
            else:
                size = x.shape
                x, places = F.max_pool2d(x, 2, return_indices=True)
                pools.append((places, size))
        for step in used[::-1]:
            if not step:
                places, size = pools.pop()
                x = F.max_unpool2d(x, places, 2, output_size=size)
                continue
            x = reflected(f"{decoder}.conv{step}", x)
            x = x if step == used[0] else x.relu()
        torch.testing.assert_close(rebuild(network, rgb, level), x)


def whitened_and_colored(content: Array, style: Array) -> Array:
    def power(matrix: Array, exponent: float) -> Array:
        vectors, values, _ = np.linalg.svd(matrix)
        kept = values >= 1e-5
        return (vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T

    away, mean = content - content.mean(1, keepdims=True), style.mean(1, keepdims=True)
    own = away @ away.T / (content.shape[1] - 1) + np.eye(len(content))
    return power(np.cov(style), 0.5) @ power(own, -0.5) @ away + mean


def test_li2018_transform() -> None:
    content, style = 9 * drawn(2, 5, 9, 7), 9 * drawn(2, 5, 6, 11)
    ours, theirs = torch.randint(0, 2, (2, 36, 28)), torch.randint(0, 2, (2, 24, 44))
    ours[:, :12], theirs[:, :8] = 0, 1
    plain, inside_labels = recolor(content, style), recolor(content, style, (list(ours), list(theirs)))
    for index in range(2):
        a, b = content[index].numpy(), style[index].numpy()
        wanted = whitened_and_colored(a.reshape(5, -1), b.reshape(5, -1)).reshape(a.shape)
        np.testing.assert_allclose(plain[index].numpy(), wanted, atol=1e-9)
        labels = [each[index].numpy()[2::4, 2::4] for each in (ours, theirs)]
        moved = np.empty_like(a)
        for label in (0, 1):
            here, there = (each == label for each in labels)
            moved[:, here] = whitened_and_colored(a[:, here], b[:, there])
        np.testing.assert_allclose(inside_labels[index].numpy(), moved, atol=1e-9)


def test_li2018_affinities() -> None:
    height, width, epsilon = 7, 9, 1e-3
    content = drawn(height, width, 3).numpy()
    wanted = np.zeros((height * width,) * 2)
    number = np.arange(height * width).reshape(height, width)
    for y, x in product(range(height - 2), range(width - 2)):
        window = content[y : y + 3, x : x + 3].reshape(9, 3)
        places = number[y : y + 3, x : x + 3].ravel()
        away = window - window.mean(0)
        inverse = np.linalg.inv(away.T @ away / 9 + epsilon / 9 * np.eye(3))
        wanted[np.ix_(places, places)] += (1 + away @ inverse @ away.T) / 9
    np.testing.assert_allclose(affinities(content, epsilon).toarray(), wanted, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("radius", [1, 3])
def test_li2018_guided_filter(radius: int) -> None:
    stylized, content = (255 * drawn(9, 14, 3).numpy() for _ in range(2))
    means = [box_means(each, radius) for each in (content, stylized)]
    products = [content[..., :, None] * each[..., None, :] for each in (content, stylized)]
    own, common = (
        box_means(each, radius) - means[0][..., :, None] * mean[..., None, :]
        for each, mean in zip(products, means, strict=True)
    )
    slope = np.linalg.inv(own + 50 * np.eye(3)) @ common
    offset = means[1] - np.einsum("hwi,hwij->hwj", means[0], slope)
    wanted = np.einsum("hwi,hwij->hwj", content, box_means(slope, radius)) + box_means(offset, radius)
    np.testing.assert_allclose(smooth_guided(stylized, content, radius=radius, epsilon=50), wanted, atol=1e-8)


@pytest.mark.parametrize("size", [(9, 13), (4, 21)])
def test_li2018_last_filter(size: tuple[int, int]) -> None:
    stylized, content = drawn(3, *size), drawn(3, *size)
    models = affine_models(stylized.float(), content.float())
    height, width = size
    for y, x in product(range(height), range(width)):
        window = (..., slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
        seen, goal = (each[window].flatten(1).T.numpy() for each in (content, stylized))
        terms = np.hstack([seen, np.ones((len(seen), 1))])
        wanted = np.linalg.solve(terms.T @ terms + np.diag([1e-3] * 3 + [0]), terms.T @ goal)
        np.testing.assert_allclose(models[:, :, y, x].numpy(), wanted.T, rtol=1e-3, atol=1e-3)
    radius, edge = 5, 0.2
    found = averaged_models(models, content.float(), radius=radius, edge=edge)
    for y, x in product(range(height), range(width)):
        total, weights = np.zeros((3, 4)), 0.0
        for row, column in product(range(height), range(width)):
            dy, dx = row - y, column - x
            if max(abs(dy), abs(dx)) <= radius:
                apart = float((content[:, y, x] - content[:, row, column]).square().mean())
                near = (dy * dy + dx * dx) / (2 * (radius / 3) ** 2)
                weight = np.exp(-near - apart / (2 * edge**2))
                total, weights = total + weight * models[:, :, row, column].numpy(), weights + weight
        np.testing.assert_allclose(found[:, :, y, x].numpy(), total / weights, rtol=1e-4, atol=1e-5)
