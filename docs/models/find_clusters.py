"""Compute the classes of the segmenter ``clusters`` of chen2023 by PCA and cosine k-means.

No labels are required. The output file contains the weights of `ProjectedMaps`: a projection of image
features and cluster centers.

Usage: python -m docs.models.find_clusters PHOTOS -o clusters.safetensors
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import read_square
from colorzoo.data.sources import find_sources
from colorzoo.factory import borrowed_trunk
from colorzoo.networks.exemplar_features import Trunk

_SIDE = 160
_BATCH = 16
_PLACES = 96  # sampled positions per image
_ROUNDS = 40


def find_clusters(
    features: Tensor, *, code: int = 48, clusters: int = 27, whitening: float = 0.5
) -> dict[str, Tensor]:
    """Compute the buffers of `ProjectedMaps` by principal component analysis and spherical k-means.

    Args:
        features: ``(N, C)``, features at N sampled image positions.
        code: Number of principal components to keep.
        clusters: Number of clusters.
        whitening: Degree of whitening from 0 to 1: 0 keeps the variances of the components; 1 equalizes them.

    Returns:
        State dict with the mean feature ``shift`` ``(C,)``, the matrix ``projection`` ``(code, C)`` and the
        cluster centers ``centers`` ``(clusters, code)``.
    """
    shift = features.mean(dim=0)
    centered = features - shift
    projection = whitening_projection(centered, code, whitening)
    codes = F.normalize(centered @ projection.T, dim=1)  # (N, code), unit length
    centers = cosine_kmeans(codes, clusters)
    return {"shift": shift, "projection": projection.contiguous(), "centers": centers.contiguous()}


def whitening_projection(centered: Tensor, components: int, whitening: float) -> Tensor:
    """Return the matrix ``(components, C)`` that projects features to scaled principal components.

    Args:
        centered: ``(N, C)``, features minus their mean.
        components: Number of principal components.
        whitening: Degree of whitening; see `find_clusters`.
    """
    centered = centered.double()
    variances, axes = torch.linalg.eigh(centered.T @ centered / len(centered))  # in ascending order
    variances, axes = variances[-components:], axes[:, -components:]
    return (axes * variances.clamp(min=1e-9) ** (-whitening / 2)).T.float()


def cosine_kmeans(points: Tensor, clusters: int) -> Tensor:
    """Return the unit cluster centers ``(clusters, D)`` of the best of three runs of k-means.

    Args:
        points: ``(N, D)``, points of unit length.
        clusters: Number of clusters.
    """
    generator = np.random.default_rng(0)
    runs = [kmeans2(points.numpy(), clusters, iter=_ROUNDS, minit="++", seed=generator)[0] for _ in range(3)]
    centers = [F.normalize(torch.from_numpy(found).float(), dim=1) for found in runs]
    return max(centers, key=lambda found: float((points @ found.T).amax(dim=1).mean()))


@torch.inference_mode()
def collect(trunk: Trunk, images: Sequence[Tensor]) -> Tensor:
    """Compute features at random positions of each image and return them as ``(N, C)``.

    Args:
        trunk: Frozen feature network.
        images: RGB images ``(3, S, S)`` in [0, 1].
    """
    generator = torch.Generator().manual_seed(0)
    rows = []
    for start in range(0, len(images), _BATCH):
        rgb = torch.stack(list(images[start : start + _BATCH]))
        lightness = rgb_to_lab(rgb)[:, :1]
        maps = trunk.of_lightness(lightness).deep.flatten(2)
        for each in maps:
            places = torch.randperm(each.shape[1], generator=generator)[:_PLACES]
            rows.append(each[:, places].T)
    return torch.cat(rows)


def main() -> None:
    """Compute clusters from a folder of images and save the weights to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--features", default="zhang2016_small")
    parser.add_argument("--limit", type=int, default=1500, help="maximum number of images")
    args = parser.parse_args()
    sources = find_sources(args.images)
    count = min(args.limit, len(sources))
    # evenly spaced in the sorted list of all images
    images = [read_square(sources[number * len(sources) // count], _SIDE) for number in range(count)]
    features = collect(borrowed_trunk(args.features), images)
    save_file(find_clusters(features), args.output)


if __name__ == "__main__":
    main()
