"""Blocks, channel counts, padding and layer outputs that many papers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from threading import get_ident
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FADING = 0.001  # momentum of the `RunningNorm` statistics


def is_traced() -> bool:
    """Return whether the current call is being traced or compiled.

    Traced or compiled code must not branch on tensor values.
    """
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return traced or torch.compiler.is_compiling()


def float64_device(device: torch.device) -> torch.device:
    """Return a device for float64 tensors: the CPU for MPS, which lacks float64, otherwise ``device``."""
    return torch.device("cpu") if device.type == "mps" else device


def scaled_width(base: int, width: float) -> int:
    """Return the channel count ``base`` times ``width``, rounded to a multiple of 8.

    The result is at least 8.

    Examples:
        >>> scaled_width(64, 0.25)
        16

    Raises:
        ValueError: ``base`` is not a multiple of 8, so rounding would change the published channel count.
    """
    if base % 8:
        raise ValueError(f"'base' must be a multiple of 8, got {base}")
    return max(8, round(base * width / 8) * 8)


def conv3x3(in_channels: int, out_channels: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution with bias, padded to keep the spatial size at stride 1.

    Examples:
        >>> conv3x3(8, 16, stride=2)(torch.rand(2, 8, 32, 48)).shape
        torch.Size([2, 16, 16, 24])
    """
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation)


def conv_relu_stack(channels: tuple[int, ...], *, last_stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """Return a 3x3 convolution and a ReLU for each pair of successive channel counts.

    Only the last convolution uses ``last_stride``; the stride of the other convolutions is 1.

    Examples:
        >>> len(conv_relu_stack((8, 16, 16)))
        4
    """
    layers: list[nn.Module] = []
    pairs = list(pairwise(channels))
    for index, (inputs, outputs) in enumerate(pairs):
        stride = last_stride if index == len(pairs) - 1 else 1
        layers += [conv3x3(inputs, outputs, stride=stride, dilation=dilation), nn.ReLU(inplace=True)]
    return layers


def conv_block(channels: tuple[int, ...], *, last_stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Return 3x3 convolutions with ReLU and one BatchNorm after the last ReLU.

    Examples:
        >>> conv_block((8, 16, 16), last_stride=2)(torch.rand(2, 8, 32, 48)).shape
        torch.Size([2, 16, 16, 24])

    Args:
        channels: Number of input channels, followed by the output channels of each convolution.
        last_stride: Stride of the last convolution (2 halves the map).
        dilation: Dilation of every convolution in the block.
    """
    layers = conv_relu_stack(channels, last_stride=last_stride, dilation=dilation)
    return nn.Sequential(*layers, nn.BatchNorm2d(channels[-1]))


def upconv4x4(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """Return a 4x4 transposed convolution that doubles height and width.

    Examples:
        >>> upconv4x4(16, 8)(torch.rand(2, 16, 16, 24)).shape
        torch.Size([2, 8, 32, 48])
    """
    return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1)


def instance_norm(x: Tensor) -> Tensor:
    """Apply instance normalization to a batch ``(B, C, H, W)``.

    Examples:
        >>> instance_norm(torch.rand(2, 8, 4, 6)).mean(dim=(2, 3)).abs().max() < 1e-6
        tensor(True)

    `torch.nn.functional.instance_norm` of torch 2.14 returns a wrong gradient on CPUs if the batch size is 1
    and the incoming gradient has the channels-last memory format. Group normalization with one group per
    channel is the equivalent function.
    """
    return F.group_norm(x, x.shape[1])


class InstanceNorm(nn.Module):
    """Module version of `instance_norm`.

    Examples:
        >>> InstanceNorm()(torch.rand(2, 8, 4, 6)).shape
        torch.Size([2, 8, 4, 6])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each channel of ``(B, C, H, W)``; images must have at least two pixels."""
        return instance_norm(x)


def pad_to_multiple(image: Tensor, multiple: int, least: int = 0) -> Tensor:
    """Replicate the last row and column until both sides are multiples of ``multiple``.

    Examples:
        >>> pad_to_multiple(torch.rand(2, 1, 30, 45), 8).shape
        torch.Size([2, 1, 32, 48])

    Args:
        image: ``(B, C, H, W)``.
        multiple: Stride of the network in pixels.
        least: Minimum height and width, a multiple of ``multiple``. Instance normalization requires at least
            two positions per feature map.
    """
    missing: list[Any] = [-side % multiple for side in image.shape[-2:]]
    if least:  # sym_max supports the symbolic sizes of exported graphs
        pairs = zip(missing, image.shape[-2:], strict=True)
        missing = [torch.sym_max(rest, least - side) for rest, side in pairs]
    return F.pad(image, (0, missing[1], 0, missing[0]), mode="replicate")


def pad_with_zeros(image: Tensor, multiple: int) -> Tensor:
    """Zero-pad the bottom and right until height and width are multiples of ``multiple``.

    Hint maps use this padding because zeros mean "no hint".

    Examples:
        >>> pad_with_zeros(torch.rand(2, 1, 30, 45), 8).shape
        torch.Size([2, 1, 32, 48])
    """
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple))


def take_cells(values: Tensor, index: Tensor) -> Tensor:
    """Select the values ``(B, n, ...)`` of n cells from the values ``(B, N, ...)`` of all N cells.

    Unlike graphs of `torch.take_along_dim`, exported graphs of this function support other batch sizes and
    numbers n.

    Examples:
        >>> take_cells(torch.rand(2, 12, 3), torch.tensor([[4, 0], [1, 1]])).shape
        torch.Size([2, 2, 3])

    Args:
        values: ``(B, N, ...)``, values of all cells.
        index: ``(B, n)``, indices of the selected cells.
    """
    shape = (*index.shape, *values.shape[2:])
    return values.gather(1, index.view(*index.shape, *[1] * (values.ndim - 2)).expand(shape))


def thin_out(selected: Tensor, most: int) -> Tensor:
    """Keep every k-th True in each row of ``(B, N)``, with the smallest k that keeps at most ``most``.

    Examples:
        >>> thin_out(torch.tensor([[True, True, False, True, True], [True, False, False, False, False]]), 2)
        tensor([[ True, False, False,  True, False],
                [ True, False, False, False, False]])
    """
    step = (selected.sum(1, keepdim=True) + most - 1) // most
    number = selected.cumsum(1) - 1  # of each True in its row
    return selected & (number % step.clamp(min=1) == 0)


def cells(side: int, stride: int) -> int:
    """Return the number of feature map positions that cover ``side`` pixels, rounded up."""
    # not ``-(-side // stride)``, because integer division in ONNX rounds towards zero
    return (side + stride - 1) // stride


class RunningNorm(nn.BatchNorm2d):
    """BatchNorm without affine parameters, with Caffe's moving averages of mean and variance.

    The running statistics are weighted averages over all batches. Each batch has 0.999 times the weight of
    the next batch. With the Trainer option ``sync_batchnorm``, the initial statistics also contribute, with
    the weight 0.999^n after n batches.

    Examples:
        >>> RunningNorm(8)(torch.rand(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])

    Args:
        channels: Number of input and output channels.
    """

    def __init__(self, channels: int) -> None:
        # `SyncBatchNorm` replaces this layer on several GPUs and keeps the momentum
        super().__init__(channels, momentum=_FADING, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``(B, C, H, W)``; in training mode, update the running statistics."""
        if self.training:
            batches = int(cast(Tensor, self.num_batches_tracked)) + 1
            self.momentum = _FADING / (1 - (1 - _FADING) ** batches)
        return super().forward(x)


def layer_outputs(model: nn.Module, layers: Sequence[str], run: Callable[[], object]) -> tuple[Tensor, ...]:
    """Run a model and return the output of the first call of each listed layer.

    Examples:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3))
        >>> maps = layer_outputs(model, ("1",), lambda: model(torch.zeros(1, 1, 16, 16)))
        >>> maps[0].shape
        torch.Size([1, 8, 14, 14])

    Args:
        model: The model.
        layers: Module names; the outputs are returned in this order. A module that returns several tensors
            contributes all of them.
        run: Callable that runs the model.
    """
    outputs: dict[str, Tensor | Sequence[Tensor]] = {}
    thread = get_ident()

    def store_first_output(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if get_ident() == thread:  # the hooks also receive the outputs of other threads
            outputs.setdefault(name, output)

    handles = []
    for name in layers:
        layer = model.get_submodule(name)
        handles.append(layer.register_forward_hook(partial(store_first_output, name)))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    tensors: list[Tensor] = []
    for name in layers:
        output = outputs[name]
        tensors.extend([output] if isinstance(output, Tensor) else output)
    return tuple(tensors)
