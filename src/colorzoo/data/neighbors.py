"""Search for the most similar training images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.console import progress_bar
from colorzoo.data.check import image_keys
from colorzoo.data.dataset import read_square
from colorzoo.data.sources import StoredImage
from colorzoo.errors import DataError
from colorzoo.files import write_atomic
from colorzoo.weights.catalog import cache_home
from colorzoo.weights.hub import cached_timm_weights, is_offline

_BATCH = 32  # images per forward pass of the encoder


@dataclass(frozen=True)
class FeatureEncoder:
    """Encoder of image features for finding similar images.

    Attributes:
        name: Name that is shown during the search.
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

    Weights that are not in the cache are downloaded, unless ``COLORZOO_OFFLINE`` is set.

    Args:
        name: Model name from ``timm.list_models()``, optionally followed by a dot and a weight tag.

    Raises:
        DataError: The timm model does not exist, or its weights cannot be downloaded.
    """
    import timm
    from torchvision.transforms import Normalize

    cached = cached_timm_weights(name)
    if not cached and timm.is_model(name) and is_offline():
        raise DataError(
            f"the weights of the timm model {name!r} (--data.encoder) are missing and COLORZOO_OFFLINE is "
            "set. Unset COLORZOO_OFFLINE to download the weights."
        )
    try:
        network = timm.create_model(name, **(cached or {"pretrained": True}), num_classes=0).eval()
    except Exception as error:  # timm and its hub client raise various types
        raise DataError(
            f"the timm model {name!r} (--data.encoder) cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    config = timm.data.resolve_data_config({}, model=network)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = nn.Sequential(Normalize(config["mean"], config["std"]), network).to(device)
    return FeatureEncoder(f"timm:{name}:pretrained", module, int(config["input_size"][-1]), device)


def find_neighbors(
    train: Sequence[StoredImage],
    val: Sequence[StoredImage],
    encoder_name: str,
    build_encoder: Callable[[], FeatureEncoder],
    *,
    k: int,
) -> Neighbors:
    """Find each image's nearest training images, or return the stored result of an earlier search.

    The nearest images have the highest cosine similarity of the encoder features. The search is exact; on a
    GPU, it is fast enough for a million images. The result is stored in colorzoo's cache and used until an
    image changes.

    Args:
        train: Training images, which are the candidates of the search.
        val: Validation images.
        encoder_name: Name of the encoder.
        build_encoder: Function that builds the encoder, which is called only for a search.
        k: Number of neighbors per image; reduced if there are not enough other training images.

    Raises:
        DataError: There are fewer than two training images, or the result cannot be stored.
    """
    # the file name is a hash of the images and the settings
    digest = hashlib.sha256(f"{encoder_name}\0{k}\0{len(train)}".encode())
    for sources in (train, val):
        digest.update(image_keys(sources, "neighbors").numpy().data)
    file = cache_home() / "neighbors" / f"{digest.hexdigest()[:16]}.npz"
    try:
        with np.load(file) as arrays:
            return Neighbors(
                train=torch.from_numpy(arrays["train"]).long(), val=torch.from_numpy(arrays["val"]).long()
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass  # missing or damaged
    # compare the features of all images
    encoder = build_encoder()
    if len(train) < 2:
        raise DataError(
            f"--data.pairing nearest requires at least 2 training images, got {len(train)}. Add images, or "
            "set --data.pairing self."
        )
    k = min(k, len(train) - 1)
    with progress_bar(f"features of {encoder.name}", len(train) + len(val)) as advance:
        train_features = _features(train, encoder, advance)
        val_features = _features(val, encoder, advance)
    neighbors = Neighbors(
        train=_search(train_features, train_features, k, exclude_self=True),
        val=_search(val_features, train_features, k, exclude_self=False),
    )
    # store the result
    stream = BytesIO()
    np.savez_compressed(stream, train=neighbors.train.int().numpy(), val=neighbors.val.int().numpy())
    try:
        write_atomic(file, stream.getvalue())
    except OSError as error:
        raise DataError(
            f"cannot write the nearest images to {str(file)!r} ({error}). Set COLORZOO_HOME."
        ) from error
    return neighbors


def _features(
    sources: Sequence[StoredImage], encoder: FeatureEncoder, advance: Callable[[int], None]
) -> Tensor:
    """Return ``(N, D)`` features of at least one image, normalized to unit length."""
    batches = []
    with ThreadPoolExecutor() as threads, torch.inference_mode():
        for start in range(0, len(sources), _BATCH):
            images = sources[start : start + _BATCH]
            squares = threads.map(lambda source: read_square(source, encoder.size), images)
            features = encoder.features(torch.stack(list(squares)).to(encoder.device))
            batches.append(F.normalize(features.flatten(1).float(), dim=1).cpu())
            advance(len(images))
    return torch.cat(batches)


def _search(queries: Tensor, library: Tensor, k: int, *, exclude_self: bool, block: int = 4096) -> Tensor:
    """Return ``(M, k)`` indices of the most similar library images, most similar first."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    library = library.to(device)
    neighbors = []
    for start in range(0, len(queries), block):
        similarity = queries[start : start + block].to(device) @ library.T
        if exclude_self:
            rows = torch.arange(len(similarity), device=device)
            similarity[rows, start + rows] = -torch.inf
        neighbors.append(similarity.topk(k, dim=1).indices.cpu())
    return torch.cat(neighbors)
