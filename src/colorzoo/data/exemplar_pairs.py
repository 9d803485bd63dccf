"""DataModule that adds a reference image to each target image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from colorzoo.data.check import require_usable, unit_hash
from colorzoo.data.dataset import Sample, add_annotations, crop_square, read_rgb
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.image_table import ImageTable, Partners
from colorzoo.data.layouts import SPLIT_NAMES, read_table
from colorzoo.data.neighbors import FeatureEncoder, Neighbors, find_neighbors, timm_encoder
from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.data.sources import Sources, StoredImage
from colorzoo.errors import DataError
from colorzoo.randomness import Generators, draw_uniform, image_generators, stream_seed
from colorzoo.settings import Fraction, PositiveInt

Pairing = Literal["list", "nearest", "self"]
SelfReference = Literal["crop_flip", "warp_jitter"]

_SELF_REFERENCES: dict[str, Callable[[Tensor, Generators], Tensor]] = {
    "crop_flip": crop_flip_reference,
    "warp_jitter": warp_jitter_reference,
}


class ExemplarPairsDataModule(FolderDataModule):
    """DataModule for exemplar models; adds a reference image to each target image.

    Examples:
        >>> data = ExemplarPairsDataModule("album", pairing="self", batch_size=2, crop=32, num_workers=0)
        >>> data.setup("fit")
        >>> batch = next(iter(data.val_dataloader()))
        >>> data.on_after_batch_transfer(batch, 0)["reference"].shape
        torch.Size([2, 3, 256, 256])

    The batch entry ``reference`` is ``(B, 3, h, w)`` in [0, 1]. The entry ``self_made`` marks references
    derived from the target image. ``pairing`` selects the references:

    - ``list``: the pairs of target and reference in a CSV file (see `read_pairs`).
    - ``nearest``: a training image with similar features. Training draws one of the ``neighbors`` nearest
      images; validation uses the nearest image. ``prepare_data`` finds the nearest images. The result is
      stored in colorzoo's cache, and the search is repeated if the images or the encoder have changed.
    - ``self``: an image derived from the target on the device. ``self_reference`` selects the method:
      ``crop_flip`` as in SPColor, or ``warp_jitter`` as in Color2Embed.

    Args:
        root: Folder of images, with or without subfolders ``train`` and ``val``.
        pairing: ``list``, ``nearest`` or ``self``; see above.
        pairs: For ``list``: path of the CSV file relative to ``root``.
        encoder: For ``nearest``: name of the timm model that computes the features.
        neighbors: For ``nearest``: number of candidate references per training image.
        self_reference: Method for deriving a reference from the target: ``crop_flip`` or ``warp_jitter``.
        self_reference_prob: Probability of deriving the reference of a training image from the target, for
            any ``pairing`` (SPColor: 0.2).
        kwargs: Arguments of `FolderDataModule`.
    """

    def __init__(
        self,
        root: str,
        pairing: Pairing = "self",
        pairs: str = "pairs.csv",
        encoder: str = "vit_small_patch16_224.dino",
        neighbors: PositiveInt = 5,
        self_reference: SelfReference = "crop_flip",
        self_reference_prob: Fraction = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    def build_encoder(self) -> FeatureEncoder:
        """Return the encoder for ``pairing: nearest``; override to use other models than timm."""
        return timm_encoder(self.hparams.encoder)

    @property
    def encoder_name(self) -> str:
        """Name that identifies the encoder; override it together with `build_encoder`."""
        return f"timm:{self.hparams.encoder}:pretrained"

    def prepare_data(self) -> None:
        """Check the images; for ``nearest``, find the nearest images."""
        if self.hparams.pairing == "nearest":
            self._find_neighbors()
        else:
            super().prepare_data()

    def setup(self, stage: str) -> None:
        """Find the images and their references; later calls have no effect.

        Raises:
            DataError: The images or the list of pairs are missing.
        """
        if self.hparams.pairing != "nearest":
            super().setup(stage)
        elif self.val_data is None:
            train, val = self._library
            found = self._find_neighbors()
            self.train_data = self._referenced(train, train.sources, found.train, train=True)
            val = val.first(self.hparams.val_limit)
            self.val_data = self._referenced(val, train.sources, found.val[:, :1], train=False)

    def find_images(self, split: str) -> ImageTable:
        """Return the target images of a split; for ``pairing: list``, with their references."""
        hp = self.hparams
        if hp.pairing != "list":
            return super().find_images(split)
        if hp.labels:
            raise DataError("--data.labels must be false for --data.pairing list, got true")
        root, pairs = Path(hp.root), []
        for pair in read_pairs(root, hp.pairs):
            own_split = pair.split
            if not own_split:  # a hash of the target's path in the data set decides
                path = Path(pair.target.path)
                name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
                fraction = unit_hash(name.encode("utf-8", "surrogateescape"))
                own_split = "val" if fraction < hp.val_fraction else "train"
            if own_split == split:
                pairs.append(pair)
        targets = Sources.of((pair.target for pair in pairs), hp.root)
        return ImageTable(targets, partners=Partners.of([pair.reference] for pair in pairs))

    def make_dataset(self, images: ImageTable, *, train: bool) -> Dataset[Any]:
        """Return a dataset of target crops; for ``pairing: list``, with their references."""
        partners = images.partners
        if partners is None:
            return super().make_dataset(images, train=train)
        references = Sources.of(partners[index][0] for index in range(len(images)))
        return self._referenced(images, references, torch.arange(len(images))[:, None], train=train)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Derive missing references from the targets; in training, replace random references.

        The added entry ``self_made`` marks the derived references.
        """
        rgb, seeds = batch["rgb"], batch["seed"]
        prob = self.hparams.self_reference_prob if training else 0.0
        if "reference" in batch and not prob:
            return {**batch, "self_made": torch.full((len(rgb),), False, device=rgb.device)}
        derive = _SELF_REFERENCES[self.hparams.self_reference]
        derived = derive(rgb, image_generators(seeds, "reference"))
        if "reference" not in batch:
            self_made = torch.full((len(rgb),), True, device=rgb.device)
            return {**batch, "reference": derived, "self_made": self_made}
        draws = draw_uniform(image_generators(seeds, "share"), len(rgb), 1, rgb.device)
        self_made = draws[:, 0] < prob
        references = batch["reference"]
        if derived.shape != references.shape:  # files have the size of the largest crop
            references = F.interpolate(references, derived.shape[2:], mode="bicubic", antialias=True)
            references = references.clamp(0, 1)
        reference = torch.where(self_made[:, None, None, None], derived, references)
        return {**batch, "reference": reference, "self_made": self_made}

    @cached_property
    def _library(self) -> tuple[ImageTable, ImageTable]:
        """Checked images of both splits; references come from the training images."""
        train, val = self.find_checked("train"), self.find_checked("val")
        require_usable(train, "training", self.hparams.root)
        require_usable(val, "validation", self.hparams.root)
        return train, val

    def _find_neighbors(self) -> Neighbors:
        train, val = (images.sources for images in self._library)
        return find_neighbors(train, val, self.encoder_name, self.build_encoder, k=self.hparams.neighbors)

    def _referenced(
        self, targets: ImageTable, references: Sources, candidates: Tensor, *, train: bool
    ) -> ReferencedDataset:
        hp = self.hparams
        return ReferencedDataset(
            targets,
            references,
            candidates,
            side=self.train_side if train else hp.val_size,
            reference_side=max(self.crops) if train else hp.val_size,
            random_crop=train,
        )


class ReferencedDataset(Dataset[Sample]):
    """Dataset of square uint8 target crops, each with a center crop of a reference.

    Args:
        targets: Table of target images. Its labels are added to the samples.
        references: Reference images.
        candidates: ``(M, k)`` int64 indices into ``references``: the possible references of each target. The
            sample seed selects a reference.
        side: Side of the target crop in pixels.
        reference_side: Side of the reference crop in pixels.
        random_crop: Whether the sample seed selects a random position of the target crop; otherwise the crop
            is centered.
    """

    def __init__(
        self,
        targets: ImageTable,
        references: Sequence[StoredImage],
        candidates: Tensor,
        *,
        side: int,
        reference_side: int,
        random_crop: bool,
    ) -> None:
        self.images, self.sources = targets, targets.sources
        self.references, self.candidates = references, candidates
        self.side, self.reference_side, self.random_crop = side, reference_side, random_crop

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample for an ``(index, seed)`` pair."""
        index, seed = key
        candidates = self.candidates[index]
        chosen = candidates[stream_seed("candidate", seed) % len(candidates)]
        target, reference = self.sources[index], self.references[int(chosen)]
        rgb = crop_square(read_rgb(target, self.side), self.side, seed if self.random_crop else None)
        side = self.reference_side
        other = crop_square(read_rgb(reference, side), side)
        sample = Sample(rgb=rgb, seed=torch.tensor(seed), name=target.name, reference=other)
        add_annotations(sample, self.images, index, random=self.random_crop)
        return sample


class Pair(NamedTuple):
    """Locations of a target image and its reference image, and their split.

    Attributes:
        target: Target image.
        reference: Reference image.
        split: ``train``, ``val`` or ``test``; empty if the pair list does not assign the pair to a split.
    """

    target: StoredImage
    reference: StoredImage
    split: str = ""


def read_pairs(root: Path, name: str) -> list[Pair]:
    """Read pairs of targets and references from a CSV file.

    The header names the columns: ``target`` and ``reference`` with absolute paths or paths relative to
    ``root``, and optionally ``split`` with a name such as ``train``, ``val`` or ``test``; other columns are
    ignored.

    Args:
        root: Folder that contains the paths.
        name: CSV file relative to ``root``.

    Raises:
        DataError: The file is missing, lacks a column, or lists an image that does not exist.
    """
    file = root / name
    pairs = []
    for number, row in read_table(file, ("target", "reference")):
        line = f"line {number} of {str(file)!r}"
        text = (row.get("split") or "").strip()
        split = SPLIT_NAMES.get(text.lower(), "") if text else ""
        if text and not split:
            raise DataError(
                f"the column 'split' must be 'train', 'val', 'test' or empty, got {text!r} in {line}"
            )
        images = []
        for column in ("target", "reference"):
            path = root / (row[column] or "").strip()
            if not path.is_file():
                raise DataError(f"{line} lists {str(path)!r}, which does not exist")
            images.append(StoredImage(str(path)))
        target, reference = images
        pairs.append(Pair(target, reference, split))
    return pairs
