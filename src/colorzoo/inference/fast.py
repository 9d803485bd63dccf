"""A network made faster on a CPU: weights cast once, wide convolutions by Winograd.

A direct convolution already runs near the processor's peak, so that only fewer multiplications help:
Winograd's F(2 x 2, 3 x 3) takes 16 instead of 36 for four results (https://arxiv.org/abs/1509.09308). Where
the processor multiplies whole matrices at once (Intel's AMX), that is cheaper than moving the tiles.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.inference.device import multiplies_matrices
from colorzoo.networks.borrowed import BorrowedModel
from colorzoo.networks.stored_spectral import StoredSpectralConv
from colorzoo.tasks import ColorizationModule

_FEWEST_CHANNELS = 256  # below, moving the tiles costs more than the multiplications saved
# of tiles at a time: more leave the cache, and a map of 256 x 256 took two to three times as long at once
_STRIP_BYTES = 8 << 20
_KERNEL_TRANSFORM = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def fast_module(module: ColorizationModule, dtype: torch.dtype) -> ColorizationModule:
    """Return a module that shares everything with ``module`` but the networks, which are faster copies.

    That is its own network, and that of a frozen model which it builds on.
    """
    fast = copy.copy(module)  # shallow: a deep copy would take along the trainer that it belongs to
    fast._modules = {**module._modules, "network": speed_up(module.network, dtype)}
    for name, child in module._modules.items():
        if isinstance(child, BorrowedModel) and isinstance(child.model, ColorizationModule):
            held = copy.copy(child)
            held._modules = {"model": fast_module(child.model, dtype)}
            fast._modules[name] = held
    return fast


def speed_up(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a network for inference on a CPU; the network itself stays as it is.

    Run it under ``torch.inference_mode``, and under autocast for bfloat16.

    Args:
        network: Any network.
        dtype: float32 or bfloat16, to which the parameters of convolutions are cast, and no others.
    """
    # what is not cast is shared: two copies of the weights would take more memory than the pictures
    kept = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    fast = copy.deepcopy(network, kept)
    fold_norms(fast)
    multiplications_count = not multiplies_matrices(dtype)
    for parent in list(fast.modules()):
        for name, layer in list(parent.named_children()):
            if multiplications_count and isinstance(layer, nn.Conv2d) and _is_wide(layer):
                setattr(parent, name, WinogradConv(layer, dtype))
            elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                _cast(layer, dtype)
    return fast


def _cast(layer: nn.Module, dtype: torch.dtype) -> None:
    """Give a layer parameters of its own in a type; `nn.Module.to` would change those that it shares."""
    for name, tensor in list(layer.named_parameters(recurse=False)):
        setattr(layer, name, nn.Parameter(tensor.detach().to(dtype), requires_grad=False))


def fold_norms(network: nn.Module) -> None:
    """Put plain convolutions in the places of those that divide their weight in every pass."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, StoredSpectralConv) and layer.weight_orig.ndim == 4:
                setattr(parent, name, layer.folded())


def _is_wide(layer: nn.Conv2d) -> bool:
    dilation = layer.dilation[0]
    return (
        layer.kernel_size == (3, 3)
        and layer.stride == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and layer.dilation == (dilation, dilation)
        and (layer.padding == (dilation, dilation) or (layer.padding == (0, 0) and dilation == 1))
        and min(layer.in_channels, layer.out_channels) >= _FEWEST_CHANNELS
    )


class WinogradConv(nn.Module):
    """A 3 x 3 convolution of stride 1 for inference only.

    Args:
        layer: The convolution to copy; its padding equals its dilation, or it has neither.
        dtype: In which it computes and answers.
    """

    kernel: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.dilation = layer.dilation[0]
        self.cut = 0 if layer.padding[0] else 1  # the outer ring, which zeros around the picture would give
        weight = layer.weight.detach().float()
        transform = weight.new_tensor(_KERNEL_TRANSFORM)
        kernel = transform @ weight @ transform.T
        kernel = kernel.permute(2, 3, 1, 0)
        self.register_buffer("kernel", kernel.to(dtype).contiguous())
        bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self.register_buffer("bias", bias)

    def forward(self, image: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)`` of any float type to the same size, or without padding to 2 less."""
        if len(image) > 1:  # the tiles of one picture fit the cache, those of a batch do not
            return torch.cat([self(one) for one in torch.split(image, 1)])
        height, width = image.shape[-2:]
        multiple = 2 * self.dilation
        pixels = image.to(self.kernel.dtype).permute(0, 2, 3, 1)
        pixels = F.pad(pixels, (0, 0, 0, -width % multiple, 0, -height % multiple))
        joined = _join_phases(self._convolve(_split_phases(pixels, self.dilation)), self.dilation)
        cut = self.cut
        return joined[:, cut : height - cut, cut : width - cut].permute(0, 3, 1, 2)

    def _convolve(self, pixels: Tensor) -> Tensor:
        """Convolve ``(B, H, W, C)`` of even height and width, strip by strip."""
        batch, height, width, channels = pixels.shape
        bordered = F.pad(pixels, (0, 0, 1, 1, 1, 1))
        answer = pixels.new_empty(batch, height, width, self.kernel.shape[-1])
        tiles_of_two_rows = 16 * batch * (width // 2) * channels * pixels.element_size()
        step = 2 * max(1, _STRIP_BYTES // tiles_of_two_rows)
        for first in range(0, height, step):
            strip = answer[:, first : first + step]
            tiles = _to_tiles(bordered[:, first : first + step + 2])
            _from_tiles(torch.matmul(tiles.flatten(2, 4), self.kernel), strip)
            if self.bias is not None:
                strip += self.bias
        return answer


def _split_phases(pixels: Tensor, step: int) -> Tensor:
    """Return ``(B * step**2, H / step, W / step, C)``: a dilated convolution is a plain one on each phase."""
    if step == 1:
        return pixels
    batch, height, width, channels = pixels.shape
    cells = pixels.reshape(batch, height // step, step, width // step, step, channels)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(-1, height // step, width // step, channels)


def _join_phases(phases: Tensor, step: int) -> Tensor:
    """Undo `_split_phases`."""
    if step == 1:
        return phases
    _, rows, columns, channels = phases.shape
    cells = phases.view(-1, step, step, rows, columns, channels).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(-1, rows * step, columns * step, channels)


def _to_tiles(bordered: Tensor) -> Tensor:
    """Return ``(4, 4, B, H / 2, W / 2, C)``: 4 x 4 tiles of ``(B, H + 2, W + 2, C)``, transformed."""
    batch, height, width, channels = bordered.shape
    height, width = height - 2, width - 2
    rows = bordered.new_empty(4, batch, height // 2, width + 2, channels)
    _combine([bordered[:, i : i + height : 2] for i in range(4)], rows)
    tiles = bordered.new_empty(4, 4, batch, height // 2, width // 2, channels)
    for row, out in zip(rows, tiles, strict=True):
        _combine([row[:, :, i : i + width : 2] for i in range(4)], out)
    return tiles


def _combine(taps: list[Tensor], out: Tensor) -> None:
    """Write Winograd's four combinations of four neighbors into ``out``, without temporaries."""
    torch.sub(taps[0], taps[2], out=out[0])
    torch.add(taps[1], taps[2], out=out[1])
    torch.sub(taps[2], taps[1], out=out[2])
    torch.sub(taps[1], taps[3], out=out[3])


def _from_tiles(products: Tensor, out: Tensor) -> None:
    """Write into ``(B, H, W, C)`` what the products ``(4, 4, B * H / 2 * W / 2, C)`` amount to."""
    batch, height, width, channels = out.shape
    total = products[:, 1] + products[:, 2] + products[:, 0]
    difference = products[:, 1] - products[:, 2] - products[:, 3]
    for column, part in enumerate((total, difference)):
        first, second, third, fourth = part.view(4, batch, height // 2, width // 2, channels)
        torch.add(first + second, third, out=out[:, ::2, column::2])
        torch.sub(second - third, fourth, out=out[:, 1::2, column::2])
