"""Reading and writing weight files; nothing in a file that is only read gets to run code."""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.errors import WeightsError
from colorzoo.weights._files import sha256_of, write_atomic
from colorzoo.weights.wrappers import unwrap

if TYPE_CHECKING:
    from torch import Tensor

EXPECTED = "expected safetensors, a PyTorch state dict or a Lightning checkpoint"
_LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format
# What people save under the name of a weight file, by its first bytes.
_OTHER_CONTENT = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer, not the file it stands for",
    b"<": "a web page or XML",
}

CONVENTIONS = "L in [0, 100], ab in CIE units (D65); scaling inside the network"


_NAMESPACE = threading.Lock()


class _Forgotten:
    """Stands in for the `argparse.Namespace` that authors save beside their weights; keeps nothing of it."""

    def __setstate__(self, state: object) -> None:
        """Drop what the file says."""


def load_state_dict_file(
    path: Path, *, sha256: str | None = None, trust_pickle: bool = False
) -> dict[str, Tensor]:
    """Read the state dict in a weight file, whatever the file's extension.

    The ``state_dict`` of a Lightning checkpoint is taken; under weight averaging that is the average.
    From other PyTorch files wrappers are taken off, see `colorzoo.weights.wrappers`.

    Args:
        path: Safetensors, a PyTorch state dict (wrapped or not) or a Lightning checkpoint.
        sha256: Hash that the whole file must have.
        trust_pickle: Let a pickle run whatever code it holds. Only for files whose author you trust.

    Returns:
        Tensors on the CPU by name, in the precision of the file.

    Raises:
        WeightsError: No such file, another hash, refused or not a weight file.
    """
    _require_file(path)
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise WeightsError(f"{path} is damaged or another file: expected sha256 {sha256}, found {found}")
    if is_safetensors(path):
        return _load_safetensors(path)
    return _unwrap(path, _load_torch(path, trust_pickle))


def is_safetensors(path: Path) -> bool:
    """Say whether a file begins as safetensors do: the length of a JSON header, then that header."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER


def model_of_file(path: str | Path | None) -> str | None:
    """Return the registered model that a safetensors file says it belongs to; None if it says nothing."""
    if path is None or not Path(path).expanduser().is_file() or not is_safetensors(Path(path).expanduser()):
        return None
    return read_metadata(Path(path).expanduser()).get("model")


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file without reading its tensors.

    Raises:
        WeightsError: No such file, or no sound safetensors.
    """
    from safetensors import SafetensorError, safe_open

    _require_file(path)
    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is no sound safetensors file ({error}); fetch or copy it again"
        ) from error


def read_hparams(path: Path) -> dict[str, Any]:
    """Return the constructor arguments that a weight file carries, empty if it carries none.

    They are the metadata ``hparams`` of safetensors, or the ``hyper_parameters`` of a Lightning checkpoint.

    Raises:
        WeightsError: As `load_state_dict_file`, or the metadata are no JSON object.
    """
    found = _read_record(path, metadata="hparams", checkpoint="hyper_parameters") or {}
    return {key: value for key, value in found.items() if not key.startswith("_")}


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Return how the weights in a file were made, None if the file does not say.

    Raises:
        WeightsError: As `load_state_dict_file`, or the metadata are no JSON object.
    """
    return _read_record(path, metadata="provenance", checkpoint="provenance")


def _read_record(path: Path, *, metadata: str, checkpoint: str) -> dict[str, Any] | None:
    """Return what a file says beside its tensors, by its name in safetensors and in checkpoints."""
    _require_file(path)
    if not is_safetensors(path):
        content = _load_torch(path, trust_pickle=False)
        found = content.get(checkpoint) if isinstance(content, Mapping) else None
        return dict(found) if isinstance(found, Mapping) else None
    text = read_metadata(path).get(metadata)
    try:
        return None if text is None else dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: the metadata {metadata!r} must be a JSON object, not {text!r}"
        ) from error


def save_weights(
    path: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, str], *, half: bool = True
) -> None:
    """Write safetensors, whole or not at all; equal input gives an equal file.

    Args:
        path: Target; its folder is made.
        state_dict: Tensors by name, on any device. Integer buffers keep their type.
        metadata: Strings; by convention ``model``, ``hparams`` and ``provenance`` (JSON), and
            ``conventions``.
        half: Store floating point as float16, save tensors that it cannot hold (beyond 65504).
    """
    from safetensors.torch import save

    tensors = {name: _stored(tensor, half) for name, tensor in state_dict.items()}
    write_atomic(path, _sort_metadata(save(tensors, metadata=dict(metadata))))


def _stored(tensor: Tensor, half: bool) -> Tensor:
    # A copy, because safetensors refuses tensors that share memory.
    copy = tensor.detach().cpu().contiguous().clone()
    if not (half and copy.is_floating_point()):
        return copy
    halved = copy.half()
    return halved if halved.isfinite().equal(copy.isfinite()) else copy


def _sort_metadata(data: bytes) -> bytes:
    """Give the metadata of a safetensors file an order; the library's is by chance, so the hash is too."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors stay aligned
    return len(text).to_bytes(8, "little") + text + data[end:]


def _require_file(path: Path) -> None:
    if not path.is_file():
        kind = "a folder, not a weight file" if path.is_dir() else "missing"
        raise WeightsError(f"{path} is {kind}; {EXPECTED}")


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is truncated or damaged safetensors ({error}); fetch or copy it again"
        ) from error


def _load_torch(path: Path, trust_pickle: bool) -> Any:
    import torch

    _require_pickle(path)
    try:
        with warnings.catch_warnings():  # torch warns of old pickles that it reads well
            warnings.simplefilter("ignore")
            # the list of what is safe is torch's, and one for all threads
            forgetting = torch.serialization.safe_globals([(_Forgotten, "argparse.Namespace")])
            with _NAMESPACE, forgetting, path.open("rb") as file:  # given a path, torch goes by its extension
                return torch.load(file, map_location="cpu", weights_only=not trust_pickle)
    except Exception as error:  # by the damage: OSError, RuntimeError, EOFError, KeyError, UnpicklingError...
        raise WeightsError(_why_unreadable(path, error)) from error


def _why_unreadable(path: Path, error: Exception) -> str:
    text = str(error)
    if "TorchScript" in text:
        return f"{path} is a TorchScript archive, which is a program; {EXPECTED}"
    # Not by the type of the error: torch raises the same one for a damaged pickle.
    if wanted := re.search(r"GLOBAL (\S+)", text):
        return (
            f"{path} is refused: it is a pickle that can run any code when loaded (it asks for {wanted[1]}); "
            f"{EXPECTED}; if you trust its author, load it with trust_pickle=True"
        )
    reason = (text.splitlines() or [type(error).__name__])[0][:120]
    return f"{path} is truncated, damaged or no PyTorch file ({reason}); {EXPECTED}"


def _require_pickle(path: Path) -> None:
    """Refuse by the first bytes what is no file of ``torch.save``, in clearer words than torch's."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return
    kind = next((name for start, name in _OTHER_CONTENT.items() if head.lstrip().startswith(start)), None)
    if kind is None:
        kind = ("text" if head.isascii() else "of an unknown format") if head else "empty"
    raise WeightsError(f"{path} is {kind}; {EXPECTED}")


def _unwrap(path: Path, content: Any) -> dict[str, Tensor]:
    state_dict = unwrap(content)
    if state_dict is None:
        tail = ", not tensors by name" if isinstance(content, Mapping) and content else ""
        raise WeightsError(f"{path} holds {_describe(content)}{tail}; {EXPECTED}")
    return state_dict


def _describe(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = ", ".join(map(str, list(content)[:5]))
    return f"a dict of {names}{', ...' if len(content) > 5 else ''}" if content else "an empty dict"
