"""Weight files: reading them without running code, loading them into models, and writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.atomic import write_atomic
from colorzoo.errors import WeightsError
from colorzoo.weights.files import sha256_of
from colorzoo.weights.readers import (
    EXPECTED,
    Reader,
    WeightContent,
    all_readers,
    constructor_arguments,
    missing,
)
from colorzoo.weights.readers.safetensors import SCALE, is_safetensors, per_channel, read_metadata

if TYPE_CHECKING:
    from torch import Tensor, nn

CONVENTIONS = "L in [0, 100], ab in CIE units (D65); scaling inside the network"
UNTRAINED = "untrained"
"""Metadata of a file that was converted from a part of a model: names of the parts that are random."""

_SMALL = 4096  # elements, up to which rounding to 8 bits saves nothing worth having
_MAX_KEYS = 3  # keys of each kind in a message
# Other content that is saved under the name of a weight file, by its first bytes.
_OTHER_CONTENT = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer, not the file it stands for",
    b"<": "a web page or XML",
}


def read_weights(path: Path, *, sha256: str | None = None, trust_pickle: bool = False) -> WeightContent:
    """Read a weight file once: tensors, settings and provenance.

    Examples:
        >>> path = weights_path(colorzoo.model_card("zhang2017_local_small"), "default")
        >>> sorted(read_weights(path).hparams)
        ['hint_attention', 'scene_blocks', 'width']

    Args:
        path: Safetensors, a PyTorch state dict (wrapped or not) or a Lightning checkpoint, whatever its
            extension, or the folder of a sharded checkpoint. Of a checkpoint the ``state_dict`` is taken;
            under weight averaging that is the average.
        sha256: Hash that the whole file must have.
        trust_pickle: Let a pickle run any code it contains. Only for files whose author you trust.

    Raises:
        WeightsError: No such file, another hash, refused or not a weight file.
    """
    reader = _reader_of(path)
    if path.is_file() and sha256 is not None and (found := sha256_of(path)) != sha256:
        raise WeightsError(f"{path} is damaged or another file: expected sha256 {sha256}, found {found}")
    if reader is None or reader.read is None:
        raise _unreadable(path)
    return reader.read(path, trust_pickle)


def load_state_dict_file(
    path: Path, *, sha256: str | None = None, trust_pickle: bool = False
) -> dict[str, Tensor]:
    """Return the tensors of a weight file by name; see `read_weights`.

    Examples:
        >>> save_weights(Path("mine.safetensors"), {"layer.weight": torch.ones(2, 3)}, {"model": "mine"})
        >>> load_state_dict_file(Path("mine.safetensors"))["layer.weight"].shape
        torch.Size([2, 3])
    """
    return read_weights(path, sha256=sha256, trust_pickle=trust_pickle).state_dict


def read_hparams(path: Path) -> dict[str, Any]:
    """Return the constructor arguments that a weight file carries, empty if it carries none.

    Examples:
        >>> path = weights_path(colorzoo.model_card("zhang2017_local_small"), "default")
        >>> sorted(read_hparams(path))
        ['hint_attention', 'scene_blocks', 'width']

    They are the metadata ``hparams`` of safetensors, or the ``hyper_parameters`` of a Lightning checkpoint.

    Raises:
        WeightsError: As `read_weights`, or the metadata are not a JSON object.
    """
    reader = _reader_of(path)
    if reader is None:
        raise _unreadable(path)
    return constructor_arguments(path, reader.stored(path) if reader.stored else {})


def model_of_file(path: str | Path | None) -> str | None:
    """Return the registered model that a safetensors file names; None for any other file.

    Examples:
        >>> model_of_file(weights_path(colorzoo.model_card("zhang2017_local_small"), "default"))
        'zhang2017_local_small'
    """
    if path is None:
        return None
    path = Path(path).expanduser()
    return read_metadata(path).get("model") if path.is_file() and is_safetensors(path) else None


def apply_weights(model: nn.Module, state_dict: Mapping[str, Tensor], *, name: str, published: bool) -> None:
    """Load a state dict into a model: all of it or, if it does not fit, nothing.

    Examples:
        >>> layer = torch.nn.Linear(3, 2)
        >>> state_dict = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
        >>> apply_weights(layer, state_dict, name="mine", published=False)
        >>> layer.weight.sum().item()
        6.0

    Args:
        model: The model; half precision is converted to float32. Weights that only training needs (see
            `ColorizationModule.for_inference`) may all be missing; the model then keeps its own.
        state_dict: Tensors by name.
        name: Name of these weights in messages.
        published: The keys are the authors', and ``model.load_published_state_dict`` translates them, unless
            they are the model's own.

    Raises:
        WeightsError: Keys are missing, unexpected or of another shape.
    """
    import torch

    low = (torch.float16, torch.bfloat16)
    wide = {key: value.float() if value.dtype in low else value for key, value in state_dict.items()}
    own = model.state_dict()
    # without a hash only the names distinguish the authors' file from a bare file of this model
    if published and not wide.keys() <= own.keys():
        loader: Any = model
        try:
            loader.load_published_state_dict(wide)
        except WeightsError as error:
            raise WeightsError(f"{name}: {error}") from error
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"{name} does not fit {type(model).__name__}: {reason}") from error
        return
    used: Any = getattr(model, "for_inference", dict)(own)
    spare = own.keys() - used.keys()
    if not spare & wide.keys():
        wide |= {key: own[key] for key in spare}
    if misfits := _misfits(own, wide):
        raise WeightsError(f"{name} does not fit {type(model).__name__}: {'; '.join(misfits)}")
    model.load_state_dict(wide)


def save_weights(
    path: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, str], *, half: bool = True
) -> None:
    """Write safetensors atomically; equal input gives an equal file.

    Examples:
        >>> save_weights(Path("mine.safetensors"), {"layer.weight": torch.ones(2, 3)}, {"model": "mine"})
        >>> load_state_dict_file(Path("mine.safetensors"))["layer.weight"].shape
        torch.Size([2, 3])

    Args:
        path: Target; missing folders are made.
        state_dict: Tensors by name, on any device. Integer buffers keep their type.
        metadata: Strings; by convention ``model``, ``hparams`` and ``provenance`` (JSON), and
            ``conventions``.
        half: Store floating point as float16, except tensors with values beyond its range (65504).
    """
    from safetensors.torch import save

    tensors = {name: _stored_tensor(tensor, half) for name, tensor in state_dict.items()}
    write_atomic(path, _sort_metadata(save(tensors, metadata=dict(metadata))))


def to_int8(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round large matrices and kernels to 8 bits, each output channel with a scale of its own.

    `read_weights` restores them. For weights that ship inside the package: half the size of float16.

    Args:
        state_dict: Tensors by name.
    """
    import torch

    found: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        if tensor.is_floating_point() and tensor.ndim > 1 and tensor.numel() > _SMALL:
            scale = (tensor.detach().float().flatten(1).abs().amax(1) / 127).half()
            levels = tensor.detach().float() / per_channel(scale, tensor).clamp(min=1e-8)
            found[name] = levels.round().clamp(-127, 127).to(torch.int8)
            found[name + SCALE] = scale
        else:
            found[name] = tensor
    return found


def _reader_of(path: Path) -> Reader | None:
    """Return the reader of tensors by name for a file or folder; None for another format.

    Raises:
        WeightsError: There is no such file.
    """
    if not path.is_file():
        from colorzoo.weights.sharded import is_sharded

        if not is_sharded(path):
            raise missing(path)
    return next((each for each in all_readers() if each.read is not None and each.matches(path)), None)


def _unreadable(path: Path) -> WeightsError:
    """Return the error of a file of another format, which it names by the first bytes."""
    with path.open("rb") as file:
        head = file.read(512)
    kind = next((name for start, name in _OTHER_CONTENT.items() if head.lstrip().startswith(start)), None)
    if kind is None:
        kind = ("text" if head.isascii() else "of an unknown format") if head else "empty"
    return WeightsError(f"{path} is {kind}; {EXPECTED}")


def _misfits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Return one clause for each kind of key that keeps a state dict from loading."""
    reshaped = [
        f"{key}: expected {tuple(value.shape)}, found {tuple(found[key].shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    problems = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": reshaped,
    }
    return [
        f"{len(keys)} {problem} ({', '.join(keys[:_MAX_KEYS])}{', ...' if len(keys) > _MAX_KEYS else ''})"
        for problem, keys in problems.items()
        if keys
    ]


def _stored_tensor(tensor: Tensor, half: bool) -> Tensor:
    # A copy, because safetensors rejects tensors that share memory.
    copy = tensor.detach().cpu().contiguous().clone()
    if not (half and copy.is_floating_point()):
        return copy
    halved = copy.half()
    return halved if halved.isfinite().equal(copy.isfinite()) else copy


def _sort_metadata(data: bytes) -> bytes:
    """Sort the metadata of a safetensors file; the library writes them in random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors stay aligned
    return len(text).to_bytes(8, "little") + text + data[end:]
