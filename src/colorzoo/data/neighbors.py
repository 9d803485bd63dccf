"""Search for the most similar training images, and index files that store the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.console import progress_bar
from colorzoo.data.dataset import crop_square, read_rgb
from colorzoo.data.sources import StoredImage, byte_count
from colorzoo.errors import DataError
from colorzoo.files import write_atomic


@dataclass(frozen=True)
class FeatureEncoder:
    """Encoder of image features for finding similar images.

    Attributes:
        name: Name that is stored in the index file. An index file with a different name is outdated.
        features: Function that computes features ``(B, D)`` of RGB images ``(B, 3, S, S)`` in [0, 1].
        size: Side S of the input images in pixels.
        device: Device on which ``features`` runs.
    """

    name: str
    features: Callable[[Tensor], Tensor]
    size: int
    device: str = "cpu"


@dataclass(frozen=True)
class Neighbors:
    """Indices of the nearest training images, nearest first.

    Attributes:
        train: ``(N, k)`` int64 neighbors of each training image, without the image itself.
        val: ``(M, k)`` int64 neighbors of each validation image.
    """

    train: Tensor
    val: Tensor


def timm_encoder(name: str) -> FeatureEncoder:
    """Create an encoder from a pretrained timm model, on the GPU if available.

    Args:
        name: Model name from ``timm.list_models()``, optionally followed by a dot and a weight tag.

    Raises:
        DataError: The timm model does not exist, or its weights cannot be downloaded.
    """
    import timm
    from torchvision.transforms import Normalize

    try:
        network = timm.create_model(name, pretrained=True, num_classes=0).eval()
    except Exception as error:  # timm and its hub client raise various types
        raise DataError(
            f"the timm model {name!r} (--data.encoder) cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    config = timm.data.resolve_data_config({}, model=network)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = nn.Sequential(Normalize(config["mean"], config["std"]), network).to(device)
    return FeatureEncoder(f"timm:{name}:pretrained", module, int(config["input_size"][-1]), device)


def build_neighbors(
    train: Sequence[StoredImage],
    val: Sequence[StoredImage],
    encoder: FeatureEncoder,
    file: Path,
    *,
    k: int,
    batch: int = 32,
) -> Neighbors:
    """Find each image's nearest training images, and write their indices to an index file.

    The nearest images have the highest cosine similarity of the encoder features. The search is exact. On a
    GPU it is fast enough for a million images.

    Args:
        train: Training images, which are the candidates of the search.
        val: Validation images.
        encoder: Encoder that computes the features.
        file: Path of the index file, with the extension ``.npz``.
        k: Number of neighbors per image; reduced if there are not enough other training images.
        batch: Number of images per forward pass of the encoder.

    Raises:
        DataError: There are fewer than two training images, or the file cannot be written.
    """
    if len(train) < 2:
        raise DataError(
            f"--data.pairing nearest requires at least 2 training images, got {len(train)}. Add images, or "
            "set --data.pairing self."
        )
    k = min(k, len(train) - 1)
    with progress_bar(f"features of {encoder.name}", len(train) + len(val)) as advance:
        train_features = _features(train, encoder, batch, advance)
        val_features = _features(val, encoder, batch, advance)
    neighbors = Neighbors(
        train=_search(train_features, train_features, k, exclude_self=True),
        val=_search(val_features, train_features, k, exclude_self=False),
    )
    meta = {"version": 1, "encoder": encoder.name, "images_sha256": images_hash(train, val)}
    try:
        _write_index(file, neighbors, meta)
    except OSError as error:
        raise DataError(
            f"cannot write the index {str(file)!r} ({error}). Set --data.index_file to another path."
        ) from error
    return neighbors


def _write_index(file: Path, neighbors: Neighbors, meta: Mapping[str, Any]) -> None:
    stream = BytesIO()
    np.savez_compressed(
        stream,
        train=neighbors.train.to(torch.int32).numpy(),
        val=neighbors.val.to(torch.int32).numpy(),
        meta=np.array(json.dumps(meta)),
    )
    write_atomic(file, stream.getvalue())


def load_neighbors(
    train: Sequence[StoredImage], val: Sequence[StoredImage], encoder: str, file: Path, *, k: int = 5
) -> Neighbors | None:
    """Load an index file of `build_neighbors`; return None if it is missing or outdated.

    An index file is outdated if its images or encoder differ, or if it contains fewer than ``k`` neighbors.

    Args:
        train: Training images.
        val: Validation images.
        encoder: Name of the encoder.
        file: Path of the index file.
        k: Number of neighbors per image.
    """
    try:
        with np.load(file) as arrays:
            meta: dict[str, Any] = json.loads(str(arrays["meta"]))
            train_neighbors = torch.from_numpy(arrays["train"]).long()
            val_neighbors = torch.from_numpy(arrays["val"]).long()
    except (OSError, ValueError, KeyError):
        return None
    is_current = (
        meta.get("encoder") == encoder
        and meta.get("images_sha256") == images_hash(train, val)
        and train_neighbors.shape[1] >= min(k, len(train) - 1)
    )
    return Neighbors(train_neighbors[:, :k], val_neighbors[:, :k]) if is_current else None


def images_hash(*lists: Sequence[StoredImage]) -> str:
    """Return a hash of lists of images, which depends on names, sizes in bytes and order."""
    digest = hashlib.sha256()
    for sources in lists:
        digest.update(b"list")
        for source in sources:
            text = f"{source.name}\0{byte_count(source)}\0"
            digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _features(
    sources: Sequence[StoredImage], encoder: FeatureEncoder, batch: int, advance: Callable[[int], None]
) -> Tensor:
    """Return ``(N, D)`` features, normalized to unit length."""

    def square(source: StoredImage) -> Tensor:
        return crop_square(read_rgb(source, encoder.size), encoder.size)

    parts = [torch.empty(0)]
    with ThreadPoolExecutor() as threads, torch.inference_mode():
        for start in range(0, len(sources), batch):
            some = [sources[index] for index in range(start, min(start + batch, len(sources)))]
            rgb = torch.stack(list(threads.map(square, some)))
            features = encoder.features(rgb.to(encoder.device).float() / 255)
            parts.append(F.normalize(features.flatten(1).float(), dim=1).cpu())
            advance(len(some))
    return torch.cat(parts[1:]) if len(parts) > 1 else parts[0].view(0, 0)


def _search(queries: Tensor, library: Tensor, k: int, *, exclude_self: bool, block: int = 4096) -> Tensor:
    """Return ``(M, k)`` indices of the most similar library images, most similar first."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    library = library.to(device)
    rows = [torch.empty(0, k, dtype=torch.int64)]
    for start in range(0, len(queries), block):
        similarity = queries[start : start + block].to(device) @ library.T
        if exclude_self:
            rows_here = torch.arange(len(similarity), device=device)
            similarity[rows_here, start + rows_here] = -torch.inf
        rows.append(similarity.topk(k, dim=1).indices.cpu())
    return torch.cat(rows)
