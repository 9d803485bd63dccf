"""Weight files: safe reading, loading into models, and writing.

The structure of a PyTorch file determines which tensors form the state dict:

==========================================================  =================================================
content of the file                                         state dict
==========================================================  =================================================
tensors by name                                             unchanged
a Lightning checkpoint                                      its ``state_dict``
``{"params": {...}}`` or another key of `WRAPPERS`          the content of the first key that exists
``{"encoder": {...}, "decoder": {...}, "optimizer": ...}``  ``encoder.KEY`` and ``decoder.KEY``
names with the common prefix ``module.``                    the tensors without the prefix
==========================================================  =================================================

The parts ``_orig_mod.`` of compiled modules are removed from names. In checkpoints, ``model.module.KEY`` of a
model that was wrapped by ``DataParallel`` becomes ``model.KEY``.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from safetensors import SafetensorError, safe_open

from colorzoo._files import begins_with
from colorzoo.console import first_words
from colorzoo.errors import WeightsError
from colorzoo.files import write_atomic
from colorzoo.settings import check_choice
from colorzoo.weights.hub import HUB, WEIGHTS_FILE, hub_file

if TYPE_CHECKING:
    from torch import Tensor, nn


CONVENTIONS = "L in [0, 100], ab in CIE units (D65); scaling inside the network"
MODEL_PREFIX = "model."
"""Prefix of the keys of the model's weights in a training checkpoint."""
FORMAT_VERSION = 1
"""Version of the format of weight files and checkpoints; files without a version have version 1.

The version is increased if an earlier version of colorzoo cannot read new files.
"""
UNTRAINED = "untrained"
"""Metadata key with the names of the parts that have random weights after a conversion."""
WRAPPERS = ("params_ema", "params", "model", "state_dict")
"""Keys of state dicts in checkpoints, in order of preference: averaged weights before current weights."""

_EXPECTED = "expected safetensors, a PyTorch state dict or a Lightning checkpoint"
_SHOWN_KEYS = 3  # per list in an error message
_OWN_PREFIXES = ("network.", "model.network.")
StoredType = Literal["float16", "int8"]
_LEAST_INT8, _INT8_MAX = 1024, 127
_SCALE = ".int8_scale"  # suffix of the scales of 8-bit weights, one for each output channel
_MAX_HEADER = 100_000_000  # bytes, the limit of safetensors
_DATA_PARALLEL = "module."  # prefix that DataParallel adds to every name
_COMPILED = re.compile(r"(^|\.)_orig_mod\.")  # part of names that torch.compile adds
_MAX_DEPTH = 3  # nested wrappers; a pickle may contain itself
_SAFE_GLOBALS_LOCK = threading.Lock()
_FORMER_KEYS = {"pictures": "images"}  # keys in weight files of versions before 0.2.0


@dataclass(frozen=True)
class WeightContent:
    """Content of a weight file.

    Attributes:
        path: Path of the file.
        stored: Unparsed metadata of the file by key, such as ``hparams``, ``provenance`` and `UNTRAINED`.
        tensors: Tensors by name; None for a safetensors file, whose tensors `state_dict` reads.
    """

    path: Path
    stored: Mapping[str, Any]
    tensors: dict[str, Tensor] | None = None

    @cached_property
    def state_dict(self) -> dict[str, Tensor]:
        """Tensors on the CPU by name, in the precision of the file.

        Raises:
            WeightsError: The file is damaged.
        """
        if self.tensors is not None:
            return self.tensors
        try:
            with safe_open(self.path, framework="pt") as file:
                names = file.keys()
                tensors = _without_wrappers({name: file.get_tensor(name) for name in names})
        except SafetensorError as error:
            raise _damaged(self.path, error) from error
        scale_names = [name for name in tensors if name.endswith(_SCALE)]
        for scale_name in scale_names:  # weights that `save_weights` rounded to 8 bits
            name = scale_name.removesuffix(_SCALE)
            scales = tensors.pop(scale_name).float()
            if name not in tensors or scales.shape != tensors[name].shape[:1]:
                raise WeightsError(
                    f"{self.path}: {scale_name!r} matches no weight. Download or copy the file again."
                )
            rounded = tensors[name].float()
            other_axes = [1] * (rounded.ndim - 1)
            tensors[name] = rounded * scales.view(-1, *other_axes)  # the first axis is the output channel
        return tensors

    @property
    def hparams(self) -> dict[str, Any]:
        """Constructor arguments, from ``hparams`` (safetensors) or ``hyper_parameters`` (checkpoints).

        Raises:
            WeightsError: The metadata is not a JSON object.
        """
        found = self._parse("hparams") or {}
        return {key: value for key, value in found.items() if not key.startswith("_")}

    @property
    def provenance(self) -> dict[str, Any] | None:
        """Training record as a dict (see `Provenance`); None if the file contains no record.

        Raises:
            WeightsError: The record is not a JSON object.
        """
        return self._parse("provenance")

    def untrained_reason(self, model: str) -> str:
        """Return the reason why a model is untrained although it loads this file; empty if it is trained.

        Args:
            model: Class name of the model.
        """
        parts = self.stored.get(UNTRAINED)
        if not parts:
            return ""
        return (
            f"{model} is untrained: {self.path} does not contain trained weights of {parts}. Train the model "
            f"with --init_from {self.path}."
        )

    def _parse(self, name: str) -> dict[str, Any] | None:
        value = self.stored.get(name)
        if value is None:
            return None
        try:
            return dict(json.loads(value) if isinstance(value, str) else value)
        except (TypeError, ValueError, RecursionError) as error:
            raise WeightsError(
                f"{self.path}: the metadata {name!r} must be a JSON object ({error})"
            ) from error


def existing_file(weights: str | Path | None) -> Path | None:
    """Return the path if it is an existing file, otherwise None.

    The path of a folder selects its file ``model.safetensors``. The file of a Hugging Face Hub repository
    ``hf-hub:OWNER/NAME`` is downloaded if necessary.

    Raises:
        WeightsError: The repository does not exist, or the Hub cannot be reached.
    """
    if weights is not None and str(weights).startswith(HUB):
        return hub_file(str(weights))
    try:
        path = None if weights is None else Path(weights).expanduser()
        if path is not None and path.is_dir():
            path /= WEIGHTS_FILE
        return path if path is not None and path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a null byte, an unknown user
        return None


def read_weights(path: Path) -> WeightContent:
    """Read the metadata and the tensors of a weight file; tensors of safetensors files are read when used.

    Examples:
        >>> save_weights(Path("mine.safetensors"), {"layer.weight": torch.ones(2, 3)}, {"model": "mine"})
        >>> read_weights(Path("mine.safetensors")).state_dict["layer.weight"].shape
        torch.Size([2, 3])

    Args:
        path: Path of a safetensors file, PyTorch state dict, Lightning checkpoint, Caffe or Torch7 file; the
            extension is ignored. If a checkpoint contains averaged weights, the averaged weights are read.

    Raises:
        WeightsError: The file does not exist, requires code execution, or is not a weight file.
    """
    if is_safetensors(path):
        try:
            with safe_open(path, framework="np") as file:
                metadata = dict(file.metadata() or {})
        except SafetensorError as error:
            raise _damaged(path, error) from error
        require_readable(metadata, str(path))
        return WeightContent(path, metadata)
    if begins_with(path, b"PK\x03\x04", b"\x80"):  # a zip file, or a pickle
        import torch

        with torch_errors(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old pickles that load correctly
            # the list of safe classes is shared by all threads
            safe = torch.serialization.safe_globals([(_DiscardedNamespace, "argparse.Namespace")])
            # an open file, because torch selects the format of a path by its extension
            with _SAFE_GLOBALS_LOCK, safe, path.open("rb") as file:
                content = torch.load(file, map_location="cpu", weights_only=True)
        if isinstance(content, Mapping) and "pytorch-lightning_version" in content:
            require_readable(content, str(path))
            inner: Any = content.get("state_dict")
            state_dict = _without_wrappers(inner) if _is_state_dict(inner) else None
        else:
            state_dict = _unwrap(content, _MAX_DEPTH)
        if state_dict is None:
            raise WeightsError(f"{path} contains no named tensors; {_EXPECTED}")
        # unparsed metadata of a checkpoint, with the keys of a safetensors file
        stored: dict[str, Any] = {}
        if isinstance(content, Mapping):
            records = {"hparams": content.get("hyper_parameters"), "provenance": content.get("provenance")}
            stored = {name: value for name, value in records.items() if isinstance(value, Mapping)}
            if content.get("trained") is False:
                stored[UNTRAINED] = "network"
            if "pytorch-lightning_version" in content and isinstance(content.get("model"), str):
                stored["model"] = content["model"]
        return WeightContent(path, stored, state_dict)
    from colorzoo.weights.readers import caffe, torch7  # files of other libraries are rare

    if caffe.is_caffe_hdf5(path):
        return WeightContent(path, {}, caffe.read_caffe_hdf5(path))
    if torch7.is_torch7(path):
        return WeightContent(path, {}, torch7.read_torch7(path))
    if caffe.is_caffe(path):
        return WeightContent(path, {}, caffe.read_caffe_blobs(path))
    raise WeightsError(f"{path} is not a weight file; {_EXPECTED}")


@contextmanager
def torch_errors(path: str | Path) -> Iterator[None]:
    """Convert errors of ``torch.load`` in a ``with`` block to a one-line `WeightsError`.

    Args:
        path: Path or URL of the file in the error message.
    """
    try:
        yield
    except Exception as error:  # OSError, RuntimeError, EOFError, KeyError, UnpicklingError ...
        # torch raises the same exception type for a damaged pickle
        if unsafe := re.search(r"GLOBAL (\S+)", str(error)):
            problem = f"is a pickle that can execute code when loaded (it requires {unsafe[1]})"
        else:
            problem = f"is truncated, damaged or not a PyTorch file ({first_words(error)})"
        raise WeightsError(f"{path} {problem}; {_EXPECTED}") from error


def require_readable(stored: Mapping[str, Any], name: str) -> None:
    """Raise `WeightsError` if a weight file or checkpoint has a format that this version cannot read.

    Args:
        stored: Metadata of a weight file, or content of a checkpoint.
        name: Name of the file in the error message.
    """
    version = stored.get("format_version", FORMAT_VERSION)
    if str(version) not in map(str, range(1, FORMAT_VERSION + 1)):
        raise WeightsError(
            f"{name}: the format version must be at most {FORMAT_VERSION}, got {version}. Install a newer "
            "version of colorzoo."
        )


def model_of_file(path: str | Path | None) -> str | None:
    """Return the model name in the metadata of a safetensors file or in a checkpoint, or None.

    Examples:
        >>> model_of_file(weight_file(colorzoo.model_card("zhang2017_local_small"), "default").path)
        'zhang2017_local_small'

    Args:
        path: Path of a file, of a folder with ``model.safetensors``, or a repository ``hf-hub:OWNER/NAME``.
            The result is None if ``path`` is neither a safetensors file nor a checkpoint, such as a tag.

    Raises:
        WeightsError: The file is damaged.
    """
    file = existing_file(path)
    if file is None or not (is_safetensors(file) or begins_with(file, b"PK\x03\x04")):
        return None
    return read_weights(file).stored.get("model")


def is_safetensors(path: Path) -> bool:
    """Return whether a file starts with a safetensors header: 8 bytes of length, then ``{``.

    Raises:
        WeightsError: The file does not exist.
    """
    if not path.is_file():
        kind = "a folder, not a weight file" if path.is_dir() else "missing"
        raise WeightsError(f"{path} is {kind}; {_EXPECTED}")
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_HEADER


def apply_weights(model: nn.Module, state_dict: Mapping[str, Tensor], *, name: str) -> None:
    """Load a state dict into a model; the model is unchanged after an error.

    Examples:
        >>> layer = torch.nn.Linear(3, 2)
        >>> state_dict = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
        >>> apply_weights(layer, state_dict, name="mine")
        >>> layer.weight.sum().item()
        6.0

    Args:
        model: The model. Two groups of weights are not changed if the state dict lacks them: weights that
            were copied from another model (`colorzoo.networks.shared_weights.borrow`), and weights that only
            training uses (`ColoringModel.training_only`). The state dict must contain either all or none of
            the weights that only training uses.
        state_dict: Tensors by name; float16 and bfloat16 tensors are converted to float32.
        name: Name of the weights in error messages.

    Raises:
        WeightsError: Keys are missing or unexpected, or a shape differs.
    """
    own = model.state_dict()
    tensors = float32_tensors(state_dict)
    # keep the weights that the state dict may omit
    if own.keys() - tensors.keys():
        optional = set()
        for path, module in model.named_modules():  # weights that `borrow` copied from another model
            borrowed_keys = getattr(module, "borrowed_keys", ())
            optional |= {f"{path}.{key}" if path else key for key in borrowed_keys}
        for_inference: Any = getattr(model, "for_inference", None)
        if for_inference is not None:
            training_only = own.keys() - for_inference(own).keys()
            if training_only.isdisjoint(tensors):  # if only some are given, the others are missing
                optional |= training_only
        tensors = {key: own[key] for key in optional} | tensors
    # describe the first difference of names or shapes
    missing = [key for key in own if key not in tensors]
    unexpected = [key for key in tensors if key not in own]
    reason = ""
    if missing or unexpected:
        counted = {"missing": missing, "unexpected": unexpected}
        reason = " and ".join(
            f"{len(keys)} {kind} key{'s' * (len(keys) > 1)} ({_shortened(keys)})"
            for kind, keys in counted.items()
            if keys
        )
    else:
        for key, value in own.items():
            if tensors[key].shape != value.shape:
                reason = f"{key} must have the shape {tuple(value.shape)}, got {tuple(tensors[key].shape)}"
                break
    if not reason:
        model.load_state_dict(tensors)
        return
    # a file may have the parameter names of the authors' code
    network = getattr(model, "model", model)
    has_own_prefix = any(key.startswith(_OWN_PREFIXES) for key in tensors)
    if getattr(network, "published_names", ()) and not has_own_prefix:
        from colorzoo.registry import card_of

        card = card_of(type(model), cast(Any, model).hparams)
        convert = f"colorzoo weights convert {card.name if card else 'MODEL'} {name} OUT.safetensors"
        reason += f". If the file has the names of the authors' code, run `{convert}`"
    raise WeightsError(f"{name} does not match {type(model).__name__}: {reason}")


def float32_tensors(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict whose float16 and bfloat16 tensors are converted to float32."""
    import torch

    half_types = (torch.float16, torch.bfloat16)
    return {key: value.float() if value.dtype in half_types else value for key, value in state_dict.items()}


def require_finite(state_dict: Mapping[str, Tensor], name: str) -> None:
    """Raise `WeightsError` if a tensor contains inf or NaN.

    Args:
        state_dict: Tensors by name.
        name: Name of the weights in the error message.
    """
    bad = [
        key for key, value in state_dict.items() if value.is_floating_point() and not value.isfinite().all()
    ]
    if bad:
        raise WeightsError(
            f"{name} must contain finite values, got inf or NaN in {len(bad)} tensors ({_shortened(bad)}). "
            "Values above 65504 become inf in float16. Save the model in float32. To halve the file, run "
            "`colorzoo weights convert MODEL FILE OUT.safetensors --dtype float16`, which keeps tensors with "
            "such values in float32."
        )


def save_weights(
    path: Path,
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    dtype: StoredType | None = None,
    keep: Collection[str] = (),
) -> None:
    """Write a safetensors file atomically and deterministically.

    Examples:
        >>> save_weights(Path("mine.safetensors"), {"layer.weight": torch.ones(2, 3)}, {"model": "mine"})
        >>> read_weights(Path("mine.safetensors")).state_dict["layer.weight"].shape
        torch.Size([2, 3])

    Args:
        path: Path of the file; missing folders are created.
        state_dict: Tensors by name, on any device. Integer tensors keep their type.
        metadata: Metadata of the file, such as ``model``, ``hparams`` and ``provenance`` (JSON). The key
            ``format_version`` is added.
        dtype: Type of stored floating-point tensors; None keeps their type. With ``float16``, tensors with
            values above 65504 keep their type. ``int8`` rounds tensors of at least 1,024 elements to 8 bits
            with one scale for each output channel, and stores smaller tensors as float16.
        keep: Names of tensors that ``int8`` stores as float16, such as heads with large logits.
    """
    import torch
    from safetensors.torch import save

    if dtype is not None:
        check_choice("dtype", dtype, StoredType)
    tensors: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        # a copy, because safetensors rejects tensors that share memory
        stored = tensor.detach().cpu().contiguous().clone()
        is_large = stored.ndim > 1 and stored.numel() >= _LEAST_INT8
        if (
            dtype == "int8"
            and name not in keep
            and is_large
            and stored.is_floating_point()
            and stored.isfinite().all()
        ):
            # one scale for each slice along the first dimension
            stored = stored.float()
            scale = stored.flatten(1).abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / _INT8_MAX
            other_axes = [1] * (stored.ndim - 1)
            tensors[name] = (stored / scale.view(-1, *other_axes)).round().to(torch.int8)
            tensors[name + _SCALE] = scale
            continue
        if dtype is not None and stored.is_floating_point():
            halved = stored.half()
            if halved.isfinite().equal(stored.isfinite()):  # no value overflows
                stored = halved
        tensors[name] = stored
    # sort the metadata in the header, which the library writes in random order
    data = save(tensors, metadata={"format_version": str(FORMAT_VERSION), **metadata})
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # aligns the tensors
    write_atomic(path, len(text).to_bytes(8, "little") + text + data[end:])


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{path} is truncated or damaged ({error}). Download or copy the file again.")


class _DiscardedNamespace:
    """Replacement for an `argparse.Namespace` in a checkpoint; its content is discarded."""

    def __setstate__(self, state: object) -> None:
        """Discard the content."""


def _unwrap(content: object, depth: int) -> dict[str, Tensor] | None:
    """Return the named tensors in the content of a PyTorch file; None if there are no tensors."""
    if _is_state_dict(content):
        return _without_wrappers(content)
    if not isinstance(content, Mapping) or not depth:
        return None
    for name in WRAPPERS:
        if (inner := _unwrap(content.get(name), depth - 1)) is not None:
            return inner
    parts = {
        f"{part}.{name}": tensor
        for part, inner in content.items()
        if isinstance(part, str) and _is_state_dict(inner)
        for name, tensor in _without_wrappers(inner).items()
    }
    return parts or None


def _is_state_dict(content: object) -> bool:
    import torch

    if not isinstance(content, Mapping) or not content:
        return False
    return all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())


def _without_wrappers(state_dict: Any) -> dict[str, Tensor]:
    """Return a state dict with the names that its modules have without compilation and ``DataParallel``."""
    names = {name: _COMPILED.sub(r"\1", name) for name in state_dict}  # cleaned name of each stored name
    for prefix in ("", "model."):
        wrapped = prefix + _DATA_PARALLEL
        is_wrapped = all(name.startswith(wrapped) for name in names.values() if name.startswith(prefix))
        if is_wrapped:
            names = {stored: re.sub(f"^{re.escape(wrapped)}", prefix, name) for stored, name in names.items()}
    return {names[stored]: tensor for stored, tensor in state_dict.items()}


def _shortened(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_SHOWN_KEYS]) + ", ..." * (len(keys) > _SHOWN_KEYS)


@dataclass(frozen=True)
class Provenance:
    """Training record of weights: data, configuration and steps; unknown fields are empty.

    Attributes:
        model: Class name of the trained model.
        stage: Training stage, if the paper has stages.
        start: Origin of the initial weights, as a mapping with the keys ``model`` or ``file``, ``sha256`` and
            ``provenance``.
        config: Configuration files of the training, in order.
        resolved_config: Settings of ``fit``: the content of the configuration files, the options of the
            command line, and the defaults. Empty for a training without the command line.
        seed: Seed of the training; None if no seed was set.
        optimizers: Class and settings of each optimizer, such as ``class`` and ``lr``.
        commit: Git commit of colorzoo during training.
        data: Mapping with the keys ``images`` (number of training images), ``sha256`` (hash of the images'
            relative paths and file sizes) and ``content_sha256`` (hash of their relative paths and contents).
            Images with annotations, such as captions, also have the key ``annotations_sha256``.
        earlier: Earlier segments of a resumed training that used other data, other settings or another
            commit. Each segment is a mapping with the key ``until`` (last step of the segment) and the
            earlier values of ``commit``, ``data``, ``config``, ``resolved_config``, ``seed`` and
            ``optimizers``.
        steps: Number of optimizer steps.
        images: Number of training samples in all steps, summed over all processes.
        license: License of the weights.
        data_license: Licenses of the training data, if a model card lists the weights.
        trained_on: Training data, number of steps and protocol as text, if a model card lists the weights.
        sha256: SHA-256 of the weight file, if a model card lists the weights.
    """

    model: str = ""
    stage: str | None = None
    start: Mapping[str, Any] | None = None
    config: tuple[str, ...] = ()
    resolved_config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    optimizers: tuple[Mapping[str, Any], ...] = ()
    commit: str | None = None
    data: Mapping[str, Any] | None = None
    earlier: tuple[Mapping[str, Any], ...] = ()
    steps: int = 0
    images: int = 0
    license: str = ""
    data_license: str = ""
    trained_on: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Create a record from the metadata of a checkpoint or weight file.

        Args:
            stored: Fields by name; unrecognized fields are ignored. None creates an empty record.
        """
        known = {each.name for each in fields(cls)}
        stored = {_FORMER_KEYS.get(key, key): value for key, value in (stored or {}).items()}
        found = {key: value for key, value in stored.items() if key in known}
        lists = {key: tuple(found.get(key, ())) for key in ("config", "optimizers", "earlier")}
        return cls(**{**found, **lists})

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON types."""
        lists = {name: list(getattr(self, name)) for name in ("config", "optimizers", "earlier")}
        return {**asdict(self), **lists}


def data_digest(images: list[str]) -> dict[str, Any]:
    """Return a dict with the number of images and a SHA-256 that identifies the data set.

    Args:
        images: Text that identifies each image, such as its relative path and file size. The order does not
            affect the hash.
    """
    text = "\n".join(sorted(images)).encode("utf-8", "surrogateescape")
    return {"images": len(images), "sha256": hashlib.sha256(text).hexdigest()}
