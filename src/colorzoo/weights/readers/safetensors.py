"""Safetensors, also with matrices that are rounded to 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.errors import WeightsError
from colorzoo.weights.readers import Reader, WeightContent, missing

if TYPE_CHECKING:
    from torch import Tensor

SCALE = ".int8_scale"
"""Ending of the name of the scales of rounded weights."""

_MAX_HEADER = 100_000_000  # bytes, the limit of the format


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file without reading its tensors.

    Examples:
        >>> save_weights(Path("mine.safetensors"), {"layer.weight": torch.ones(2, 3)}, {"model": "mine"})
        >>> read_metadata(Path("mine.safetensors"))["model"]
        'mine'

    Raises:
        WeightsError: No such file, or not valid safetensors.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise missing(path)
    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is not a valid safetensors file ({error}); fetch or copy it again"
        ) from error


def is_safetensors(path: Path) -> bool:
    """Return True if a file begins like safetensors: the length of a JSON header, then that header."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_HEADER


def from_int8(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restore tensors that `to_int8` rounded, as float32; others stay."""
    found = {name: tensor for name, tensor in state_dict.items() if not name.endswith(SCALE)}
    for name in found.keys() & {name.removesuffix(SCALE) for name in state_dict.keys() - found.keys()}:
        found[name] = found[name].float() * per_channel(state_dict[name + SCALE], found[name])
    return found


def per_channel(scale: Tensor, tensor: Tensor) -> Tensor:
    """Return scales ``(N,)`` in the shape that multiplies the first axis of a tensor."""
    return scale.float().view(-1, *[1] * (tensor.ndim - 1))


def _matches(path: Path) -> bool:
    return path.is_file() and is_safetensors(path)


def _read(path: Path, trust_pickle: bool) -> WeightContent:
    del trust_pickle  # these files hold none
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return WeightContent(path, from_int8(tensors), file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is truncated or damaged safetensors ({error}); fetch or copy it again"
        ) from error


READER = Reader(_matches, _read, read_metadata)
