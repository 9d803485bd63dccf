"""Draw channels anew that never fire, and leave the answers as they are: room for a longer training.

python -m colorzoo.zoo.zhang2017.revive PHOTOS -o revived.safetensors
colorzoo fit --config zhang2017/local_small_revived.yaml --init_from revived.safetensors --data.root DIR

The paper's blocks normalize once after two or three convolutions, so that channels may die in the first
minutes of a training, and no gradient wakes them. Channels that live are scaled to a mean square of 1: where
they grew to thousands before a normalization takes them back, a step of Adam is nothing to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from colorzoo.color import rgb_to_lab
from colorzoo.data.squares import read_squares
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import PointSimulation, simulate_points
from colorzoo.networks.hint_input import hint_input
from colorzoo.networks.hint_unet import HintUNet
from colorzoo.weights import save_weights
from colorzoo.zoo.zhang2017.network import LocalHintsNetwork

BLOCKS = tuple(f"block{number}" for number in range(1, 9))
_READERS = {
    "block1": ("block2.0", "skip1"),
    "block2": ("block3.0", "skip2"),
    "block3": ("block4.0", "skip3"),
    "block4": ("block5.0",),
    "block5": ("block6.0",),
    "block6": ("block7.0",),
}
_IN_SCENE = ("block3", "block4")  # read by the scene blocks too, in this order
_SIDE, _BATCH = 128, 16
_SHOWN = PointSimulation(reveal_all=0.02, many=0.3, none=0.5)
_RARE = 2e-4  # share of the places at which a channel fires that counts as dead
_FIRING = 0.45  # the same share of a channel drawn anew
_FAINT = 1e-6
_LEAST_VARIANCE = 0.02  # of a channel whose mean square is 1
_STALE = 0.25  # of the true variance: a normalization that knows less multiplies what is rare by a lot
_SHARES = 100_000  # places from which the share is taken

Inputs = Sequence[tuple[Tensor, Tensor]]
"""What `hint_input` makes of batches: input ``(B, 4, H, W)`` and hints ``(B, 3, H, W)``."""


class Revived(NamedTuple):
    """How many channels were drawn anew, of how many."""

    drawn: int
    channels: int


@dataclass(frozen=True)
class Fired:
    """What the channels of a layer did behind their ReLU, each ``(C,)``.

    Attributes:
        mean: Their mean.
        square: Their mean square.
        share: Share of the places at which each fired.
    """

    mean: Tensor
    square: Tensor
    share: Tensor

    @property
    def dead(self) -> Tensor:
        """Which of them fire nearly nowhere."""
        return (self.share < _RARE) | (self.square < _FAINT**2)

    @property
    def scale(self) -> Tensor:
        """By what to divide them for a mean square of 1."""
        return self.square.sqrt().clamp(min=_FAINT)

    def divided(self, scale: Tensor) -> Fired:
        """Return what they do when divided."""
        return Fired(self.mean / scale, self.square / scale**2, self.share)


@dataclass(frozen=True)
class Reader:
    """A layer that reads a map: its weights ``(out, C, ...)`` for the channels of this map, and its bias."""

    weight: Tensor
    bias: Tensor

    def take_constant(self, channel: int, value: Tensor) -> None:
        """Read a channel no more, and add to the bias what it was worth as a constant."""
        self.bias.add_(value * self.weight[:, channel].flatten(1).sum(dim=1))
        self.weight[:, channel] = 0.0


@torch.no_grad()
def revive(unet: HintUNet, inputs: Inputs, seed: int = 0) -> Revived:
    """Draw the dead channels of blocks 1 to 8 anew, in place, and scale the others to a mean square of 1.

    What reads a new channel begins at zero (blocks 1 to 6), or its normalization begins faint (7 and 8, which
    transposed convolutions read). Answers stay as they were but for what a constant is worth at the border.

    Args:
        unet: Trained, in evaluation mode; without channel attention and rank layers.
        inputs: Pictures with and without points, to see what fires.
        seed: Of the new weights.

    Raises:
        ColorzooError: The network has layers that this does not know.
    """
    if unet.rank_layers is not None or not isinstance(unet.skip1, nn.Conv2d):
        raise ColorzooError("revive knows neither rank layers nor channel attention; name a model without.")
    generator = torch.Generator().manual_seed(seed)
    found = [dead for name in BLOCKS for dead in _revive_block(unet, name, inputs, generator)]
    return Revived(sum(int(dead.sum()) for dead in found), sum(map(len, found)))


def _revive_block(unet: HintUNet, name: str, inputs: Inputs, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw the dead channels of a block anew; yield for each convolution which they were."""
    *_, norm = layers = list(unet.get_submodule(name).children())
    assert isinstance(norm, nn.BatchNorm2d)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for layer, following in pairwise(convolutions):
        dead, now = _renew(unet, layer, inputs, generator)
        # the first layer reads points, which are rare: to scale its channels would make them loud
        unscaled = ~dead if layer is unet.block1[0] else torch.zeros_like(dead)
        scale = now.scale.masked_fill(unscaled, 1.0)
        _divide(layer, scale)
        following.weight.mul_(scale.view(1, -1, 1, 1))
        following.weight[:, dead] = 0.0
        yield dead
    last = convolutions[-1]
    dead, now = _renew(unet, last, inputs, generator)
    _divide(last, now.scale)
    _normalize(norm, now, dead, list(_readers(unet, name)))
    yield dead


def _renew(
    unet: HintUNet, layer: nn.Conv2d, inputs: Inputs, generator: torch.Generator
) -> tuple[Tensor, Fired]:
    """Draw the dead channels of a layer anew; return which they were, and what all do now."""
    before = fired(unet, layer, inputs)
    if not before.dead.any():
        return before.dead, before
    _draw(unet, layer, before.dead, inputs, generator)
    return before.dead, fired(unet, layer, inputs)


def _silent(norm: nn.BatchNorm2d) -> Tensor:
    """Return what a normalization makes of channels that do not fire, ``(C,)``."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    return norm.bias - norm.weight * mean / (variance + norm.eps).sqrt()


def _normalize(norm: nn.BatchNorm2d, now: Fired, dead: Tensor, readers: Sequence[Reader]) -> None:
    """Let a normalization know its channels after they were divided, and make new ones unheard at first.

    Args:
        norm: Its statistics are those of the channels before.
        now: What they did before they were divided by their scale.
        dead: Which were drawn anew.
        readers: What reads it; if none are known, it makes new channels faint instead.
    """
    silent, scale = _silent(norm), now.scale
    now = now.divided(scale)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    mean.div_(scale)
    variance.add_(norm.eps).div_(scale**2).sub_(norm.eps)  # so that small channels keep their answer
    true = now.square - now.mean**2
    quieted = dead | (variance < _STALE * true)
    mean[quieted], variance[quieted] = now.mean[quieted], true.clamp(min=_LEAST_VARIANCE)[quieted]
    for channel in quieted.nonzero().flatten().tolist():
        for reader in readers:
            reader.take_constant(channel, silent[channel])
    norm.bias[quieted] = 0.0 if readers else silent[quieted]
    norm.weight[quieted] = 1.0 if readers else 0.0


def _readers(unet: HintUNet, name: str) -> Iterator[Reader]:
    """Yield what reads the map of a block; nothing for those that a transposed convolution reads."""
    for reader in _READERS.get(name, ()):
        layer = unet.get_submodule(reader)
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        yield Reader(layer.weight, layer.bias)
    if unet.scene is not None and name in _IN_SCENE:
        weight, bias = unet.scene.enter.weight, unet.scene.enter.bias
        assert bias is not None
        widths = [unet.up8.out_channels, unet.up8.in_channels, unet.up8.in_channels]  # of blocks 3, 4 and 7
        yield Reader(torch.split(weight, widths, dim=1)[_IN_SCENE.index(name)], bias)


def _draw(unet: HintUNet, layer: nn.Conv2d, dead: Tensor, inputs: Inputs, generator: torch.Generator) -> None:
    """Give channels He's weights of no great mean, and a bias by which they fire as others do."""
    assert layer.bias is not None
    drawn = torch.randn(int(dead.sum()), *layer.weight.shape[1:], generator=generator)
    drawn -= drawn.mean(dim=(1, 2, 3), keepdim=True) / 2
    layer.weight[dead] = drawn * (2 / drawn[0].numel()) ** 0.5
    layer.bias[dead] = 0.0
    seen: list[Tensor] = []
    _watch(unet, layer, inputs, lambda values: seen.append(values[:, dead].transpose(0, 1).flatten(1)))
    values = torch.cat(seen, dim=1)
    values = values[:, :: max(1, values.shape[1] // _SHARES)]
    spread = values.std(dim=1).clamp(min=_FAINT)
    layer.weight[dead] /= spread.view(-1, 1, 1, 1)
    layer.bias[dead] = -(values / spread[:, None]).quantile(1 - _FIRING, dim=1)


def _divide(layer: nn.Conv2d, scale: Tensor) -> None:
    """Divide what a layer answers, channel by channel."""
    assert layer.bias is not None
    layer.weight /= scale.view(-1, 1, 1, 1)
    layer.bias /= scale


def fired(unet: HintUNet, layer: nn.Conv2d, inputs: Inputs) -> Fired:
    """Return what the channels of a layer of blocks 1 to 8 do on some inputs."""
    sums = torch.zeros(3, layer.out_channels, dtype=torch.float64)
    places = 0

    def add(values: Tensor) -> None:
        nonlocal places
        seen = values.clamp(min=0).double()
        sums.add_(torch.stack([part.sum(dim=(0, 2, 3)) for part in (seen, seen**2, seen > 0)]))
        places += seen[:, 0].numel()

    _watch(unet, layer, inputs, add)
    return Fired(*(sums / places).float())


class _SeenError(Exception):
    """Ends a forward pass behind the layer that is watched."""


def _watch(unet: HintUNet, layer: nn.Conv2d, inputs: Inputs, see: Callable[[Tensor], None]) -> None:
    """Call ``see`` with what a layer answers before its ReLU; nothing behind it is run."""

    def look(_: nn.Module, __: object, values: Tensor) -> None:
        see(values)
        raise _SeenError

    hook = layer.register_forward_hook(look)
    try:
        for x, hints in inputs:
            try:
                unet.encode(x, hints)
            except _SeenError:
                continue
    finally:
        hook.remove()


def shown(photos: Sequence[Tensor], mask_center: float, seed: int = 0) -> Inputs:
    """Return what a Local Hints network reads of photos ``(3, S, S)`` in [0, 1], half of them with points."""
    generator = torch.Generator().manual_seed(seed)
    inputs = []
    for start in range(0, len(photos), _BATCH):
        lab = rgb_to_lab(torch.stack(list(photos[start : start + _BATCH])))
        inputs.append(hint_input(lab[:, :1], simulate_points(lab[:, 1:], generator, _SHOWN), mask_center))
    return inputs


def main() -> None:
    """Revive the weights of a registered model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="zhang2017_local_small")
    parser.add_argument("--limit", type=int, default=192, help="pictures to look at")
    args = parser.parse_args()
    model = create_model(args.model).eval()
    network = model.network
    if not isinstance(network, LocalHintsNetwork):
        raise SystemExit(
            f"error: {args.model} is no Local Hints model; name one, such as zhang2017_local_small."
        )
    photos = list(read_squares(args.photos, _SIDE, args.limit))
    count = revive(network.unet, shown(photos, network.mask_center))
    save_weights(args.output, model.state_dict(), {"model": args.model}, half=False)
    print(f"{count.drawn} of {count.channels} channels drawn anew: {args.output}")


if __name__ == "__main__":
    main()
