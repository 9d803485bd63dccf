"""Writer of Caffe NetParameter files, and of the Local Hints network in the authors' layout."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

Blobs = Sequence[np.ndarray]

BN_FACTOR = 999.98236


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array: np.ndarray, *, style: str = "packed") -> bytes:
    data = array.astype("<f4").tobytes()
    if style == "single":  # unpacked floats, unpacked axes
        floats = b"".join(varint(5 << 3 | 5) + struct.pack("<f", value) for value in array.flat)
        return field(7, b"".join(field(1, size) for size in array.shape)) + floats
    return field(7, field(1, b"".join(map(varint, array.shape)))) + field(5, data)


def layer(name: str, blobs: Blobs, **options: str) -> bytes:
    kind = field(2, b"Convolution") + field(3, b"bottom") + varint(5 << 3 | 5) + struct.pack("<f", 1.0)
    return field(100, field(1, name.encode()) + kind + b"".join(field(7, blob(b, **options)) for b in blobs))


def net(layers: Mapping[str, Blobs], **options: str) -> bytes:
    return field(1, b"net") + b"".join(layer(name, blobs, **options) for name, blobs in layers.items())


def local_hints_layers(state: Mapping[str, np.ndarray]) -> dict[str, Blobs]:
    """Return the layers that Caffe needs to compute the same as the authors' PyTorch network (107 keys)."""
    layers: dict[str, Blobs] = {"data_l": [], "relu1_1": []}
    weight, bias = state["model1.0.weight"], state["model1.0.bias"]
    layers["bw_conv1_1"] = [weight[:, :1] / 100, 0.25 * bias]
    layers["ab_conv1_1"] = [weight[:, 1:] / 110, 0.75 * bias]
    return layers | shared_layers(state, CONVOLUTIONS, NORMS)


def global_hints_layers(state: Mapping[str, np.ndarray]) -> dict[str, Blobs]:
    """Return the layers of the Global Hints network (135 keys)."""
    branch = ("s_conv1", "glob_conv1", "glob_conv2", "glob_conv3", "glob_conv4")
    norms = ("s_glob_conv1norm", "glob_conv2norm", "glob_conv3norm", "glob_conv4norm")
    first = {"bw_conv1_1": [state["model1.0.weight"] / 100, state["model1.0.bias"]]}
    convolutions = CONVOLUTIONS | {name: name for name in branch}
    return first | shared_layers(state, convolutions, NORMS | {name: name for name in norms})


def shared_layers(
    state: Mapping[str, np.ndarray], convolutions: Mapping[str, str], norms: Mapping[str, str]
) -> dict[str, Blobs]:
    layers: dict[str, Blobs] = {}
    for caffe, torch in convolutions.items():
        layers[caffe] = [state[f"{torch}.weight"], state[f"{torch}.bias"]]
    for caffe, torch in norms.items():
        mean, variance = state[f"{torch}.running_mean"], state[f"{torch}.running_var"]
        layers[caffe] = [mean * BN_FACTOR, variance * BN_FACTOR, np.array([BN_FACTOR])]
    layers["conv1_2norm_ss"] = [
        np.ones((len(mean), 1, 1, 1))
    ]  # the grouped convolution that takes every second pixel
    return layers


# Written out, so that the rules of the converter are not tested against themselves.
CONVOLUTIONS = {
    "conv1_2": "model1.2",
    "conv2_1": "model2.0",
    "conv2_2": "model2.2",
    "conv3_1": "model3.0",
    "conv3_2": "model3.2",
    "conv3_3": "model3.4",
    **{f"conv{n}_{k}": f"model{n}.{2 * k - 2}" for n in (4, 5, 6, 7) for k in (1, 2, 3)},
    "conv8_1": "model8up.0",
    "conv3_3_short": "model3short8.0",
    "conv8_2": "model8.1",
    "conv8_3": "model8.3",
    "conv9_1": "model9up.0",
    "conv2_2_short": "model2short9.0",
    "conv9_2": "model9.1",
    "conv10_1": "model10up.0",
    "conv1_2_short": "model1short10.0",
    "conv10_2": "model10.1",
    "conv10_ab": "model_out.0",
}
NORMS = {
    "conv1_2norm": "model1.4",
    "conv2_2norm": "model2.4",
    "conv3_3norm": "model3.6",
    "conv4_3norm": "model4.6",
    "conv5_3norm": "model5.6",
    "conv6_3norm": "model6.6",
    "conv7_3norm": "model7.6",
    "conv8_3norm": "model8.5",
    "conv9_2norm": "model9.3",
}
