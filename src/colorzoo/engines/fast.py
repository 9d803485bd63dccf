"""Faster networks on a CPU: weights cast once, wide convolutions by Winograd.

A direct convolution runs near the processor's peak already, so only fewer multiplications help: Winograd's
F(2 x 2, 3 x 3) takes 16 instead of 36 for four results (https://arxiv.org/abs/1509.09308). On a processor
that multiplies whole matrices (Intel's AMX), a direct convolution is cheaper than moving the tiles.

Weights in float32 are shared: transformed kernels would take 16/9 of their memory, and a folded norm as much
again. Both are computed in each call instead, a layer at a time.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.engines.device import multiplies_matrices
from colorzoo.model import ColoringModel
from colorzoo.networks.shared_weights import BorrowedModel

if TYPE_CHECKING:
    from colorzoo.networks.spectral import StoredSpectralConv

_FEWEST_CHANNELS = 256  # with fewer, moving the tiles costs more than the multiplications saved
# of tiles at a time: more leave the cache, and a map of 256 x 256 took two to three times as long at once
STRIP_BYTES = 8 << 20
FEWEST_PIXELS = 512  # with fewer, transforming a kernel costs more than its multiplications save
_LARGE_WEIGHT = 2**18  # elements, from which a normalized weight is shared rather than copied


def fast_module(module: ColoringModel, dtype: torch.dtype) -> ColoringModel:
    """Return a module with faster copies of its network and of the network of a frozen model below it.

    Everything else is shared with ``module``.
    """
    fast = copy.copy(module)  # shallow: a deep copy would include the task that it belongs to
    fast._modules = {**module._modules, "network": speed_up(module.network, dtype)}
    for name, child in module._modules.items():
        if isinstance(child, BorrowedModel) and isinstance(child.model, ColoringModel):
            held = copy.copy(child)
            held._modules = {"model": fast_module(child.model, dtype)}
            fast._modules[name] = held
    return fast


def speed_up(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a network for inference on a CPU; one with an attribute ``keep_float32`` as it is.

    Run it under ``torch.inference_mode``, and under autocast for bfloat16.

    Args:
        network: Any network; it is not changed.
        dtype: float32 or bfloat16, for the parameters of convolutions only; parts with an attribute
            ``keep_float32`` share theirs.
    """
    if hasattr(network, "keep_float32"):
        return network
    # other tensors are shared: two copies of the weights would take more memory than the pictures
    kept = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    fast = copy.deepcopy(network, kept)
    fold_norms(fast, share=dtype == torch.float32)
    use_winograd = not multiplies_matrices(dtype)
    shared = {each for part in fast.modules() if hasattr(part, "keep_float32") for each in part.modules()}
    for parent in list(fast.modules()):
        for name, layer in list(parent.named_children()):
            if layer in shared:
                continue
            if use_winograd and isinstance(layer, nn.Conv2d) and _is_wide(layer):
                wide = SharedWinogradConv(layer) if dtype == torch.float32 else WinogradConv(layer, dtype)
                setattr(parent, name, wide)
            elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                # `nn.Module.to` would change the parameters that the layer shares
                for key, tensor in list(layer.named_parameters(recurse=False)):
                    setattr(layer, key, nn.Parameter(tensor.detach().to(dtype), requires_grad=False))
                for key, buffer in list(layer.named_buffers(recurse=False)):  # of a frozen encoder
                    setattr(layer, key, buffer.to(dtype))
    return fast


def fold_norms(network: nn.Module, *, share: bool) -> None:
    """Replace convolutions that normalize their weight in every pass by plain ones.

    Args:
        network: The network, changed in place.
        share: Share large weights, and scale the output instead.
    """
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            normalized: Any = layer
            if not hasattr(layer, "folded") or normalized.weight_orig.ndim != 4:
                continue
            large = share and normalized.weight_orig.numel() >= _LARGE_WEIGHT
            setattr(parent, name, DividedConv(normalized) if large else normalized.folded())


def fast_linears(network: nn.Module) -> nn.Module:
    """Return a copy of a network for inference, whose linear layers oneDNN multiplies on a CPU.

    The parameters are shared. PyTorch gives matrices of float32 to MKL, which on AMD's processors takes twice
    the time of oneDNN. Results differ by rounding.
    """
    fast = copy.deepcopy(network, {id(tensor): tensor for tensor in network.parameters()})
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if has_onednn and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        for layer in fast.modules():
            if type(layer) is nn.Linear:
                layer.__class__ = OneDNNLinear
    return fast


class OneDNNLinear(nn.Linear):
    """A linear layer without gradients, multiplied by oneDNN in float32 on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to ``(..., in)``."""
        if x.device.type != "cpu" or x.dtype != torch.float32 or self.weight.dtype != torch.float32:
            return super().forward(x)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return product


class DividedConv(nn.Conv2d):
    """A convolution that shares the weight of a normalized one and scales its output; for inference only.

    Args:
        layer: The normalized convolution, with a weight of four axes.
    """

    factor: float

    @torch.no_grad()
    def __init__(self, layer: StoredSpectralConv) -> None:
        fan_out, fan_in, *kernel = layer.weight_orig.shape
        size = (kernel[0], kernel[1])
        super().__init__(fan_in, fan_out, size, bias=False, device="meta", **layer.options)
        self.weight, self.bias = layer.weight_orig, layer.bias
        self.factor = float(layer.divided_weight().flatten()[0] / layer.weight_orig.flatten()[0])

    def forward(self, image: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)``."""
        found = F.conv2d(image, self.weight, None, self.stride, self.padding)
        if self.bias is None:
            return found.mul_(self.factor)
        return torch.add(self.bias[:, None, None], found, alpha=self.factor, out=found)


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


class Winograd(nn.Module):
    """A 3 x 3 convolution of stride 1 by Winograd, for inference only; subclasses provide the kernels.

    Args:
        layer: The convolution to replace; its padding equals its dilation, or it has neither.
        dtype: Type of its computation and output.
    """

    bias: Tensor | None

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.dilation = layer.dilation[0]
        self.cut = 0 if layer.padding[0] else 1  # pixels at each side that only padding would give
        bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self.register_buffer("bias", bias)

    def kernels(self) -> Tensor:
        """Return the transformed kernels ``(16, C, D)``."""
        raise NotImplementedError

    def forward(self, image: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)`` of any float type to the same size, or without padding to 2 less."""
        kernels = self.kernels()
        # one picture at a time: the tiles of a batch do not fit the cache
        found = [self._convolve_one(one, kernels) for one in torch.split(image, 1)]
        return torch.cat(found) if len(found) > 1 else found[0]

    def _convolve_one(self, image: Tensor, kernels: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        multiple = 2 * self.dilation
        pixels = image.to(self.dtype).permute(0, 2, 3, 1)
        if height % multiple or width % multiple:
            pixels = F.pad(pixels, (0, 0, 0, -width % multiple, 0, -height % multiple))
        joined = _join_phases(
            self._convolve_strips(_split_phases(pixels, self.dilation), kernels), self.dilation
        )
        cut = self.cut
        return joined[:, cut : height - cut, cut : width - cut].permute(0, 3, 1, 2)

    def _convolve_strips(self, pixels: Tensor, kernels: Tensor) -> Tensor:
        """Convolve ``(B, H, W, C)`` of even height and width, strip by strip."""
        batch, height, width, channels = pixels.shape
        answer = pixels.new_empty(batch, height, width, kernels.shape[2])
        tiles_of_two_rows = 16 * batch * (width // 2) * channels * pixels.element_size()
        step = 2 * max(1, STRIP_BYTES // tiles_of_two_rows)
        for first in range(0, height, step):
            strip = answer[:, first : first + step]
            above, below = max(0, first - 1), min(height, first + step + 1)
            edges = 1, 1, int(first == 0), int(first + step >= height)
            tiles = _to_tiles(F.pad(pixels[:, above:below], (0, 0, *edges))).flatten(2, 4).flatten(0, 1)
            products = torch.matmul(tiles, kernels)
            _from_tiles(products.view(4, 4, *products.shape[1:]), strip)
            if self.bias is not None:
                strip += self.bias
        return answer


class WinogradConv(Winograd):
    """Winograd convolution with stored kernels, 16/9 of the weights in size."""

    kernel: Tensor

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__(layer, dtype)
        kernel = winograd_kernel(layer.weight.detach().float()).transpose(1, 2)
        self.register_buffer("kernel", kernel.to(dtype).contiguous())

    def kernels(self) -> Tensor:
        """Return the stored kernels."""
        return self.kernel


class SharedWinogradConv(Winograd):
    """Winograd convolution in float32 that transforms its layer's weights in each call on a large map."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(layer, torch.float32)
        self.layer = layer
        self.factor = layer.factor if isinstance(layer, DividedConv) else 1.0

    def kernels(self) -> Tensor:
        """Return newly transformed kernels."""
        return winograd_kernel(self.layer.weight, self.factor).transpose(1, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)``; small maps directly."""
        small = image.shape[-2] * image.shape[-1] < FEWEST_PIXELS
        answer: Tensor = self.layer(image) if small else super().forward(image)
        return answer


def winograd_kernel(weight: Tensor, factor: float = 1.0) -> Tensor:
    """Return the transformed kernels ``(16, D, C)`` of a weight ``(D, C, 3, 3)``, times a factor."""
    taps = weight.permute(2, 3, 0, 1)  # weights are in channels-last layout
    rows = taps.new_empty(4, *taps.shape[1:])
    _transform_taps(taps, rows, factor)
    kernel = taps.new_empty(4, 4, *taps.shape[2:])
    _transform_taps(rows.movedim(1, 0), kernel.movedim(1, 0), 1.0)
    return kernel.flatten(0, 1)


def _transform_taps(taps: Tensor, out: Tensor, factor: float) -> None:
    """Write Winograd's four combinations of three weights along the first axis into ``out``."""
    first, middle, last = taps
    torch.mul(first, factor, out=out[0])
    torch.mul(last, factor, out=out[3])
    outer = (first + last).mul_(factor / 2)
    torch.add(outer, middle, alpha=factor / 2, out=out[1])
    torch.sub(outer, middle, alpha=factor / 2, out=out[2])


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
    """Transform products ``(4, 4, B * H / 2 * W / 2, C)`` back into ``(B, H, W, C)``."""
    batch, height, width, channels = out.shape
    total = products[:, 1] + products[:, 2] + products[:, 0]
    difference = products[:, 1] - products[:, 2] - products[:, 3]
    for column, part in enumerate((total, difference)):
        first, second, third, fourth = part.view(4, batch, height // 2, width // 2, channels)
        torch.add(first + second, third, out=out[:, ::2, column::2])
        torch.sub(second - third, fourth, out=out[:, 1::2, column::2])
