"""`ExemplarPairsDataModule`: targets with reference pictures, however they are chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.folder import FolderDataModule
from colorzoo.data.neighbors import FeatureEncoder, Neighbors, build_neighbors, load_neighbors, timm_encoder
from colorzoo.data.pair_list import read_pairs
from colorzoo.data.pairing import (
    Nearest,
    PairedPictures,
    Partners,
    Pick,
    ReferencedDataset,
    SameClass,
    same_row,
)
from colorzoo.data.picture_table import Pictures
from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.data.shard_labels import class_names
from colorzoo.data.sources import Source, Sources
from colorzoo.errors import DataError
from colorzoo.randomness import Generators, draw_uniform, picture_generators

Pairing = Literal["list", "class", "nearest", "self"]
SelfReference = Literal["crop_flip", "warp_jitter"]

_MAKERS: dict[str, Callable[[Tensor, Generators], Tensor]] = {
    "crop_flip": crop_flip_reference,
    "warp_jitter": warp_jitter_reference,
}


class ExemplarPairsDataModule(FolderDataModule):
    """Targets and references: beside ``rgb`` a batch has ``reference``, ``(B, 3, H, W)`` in [0, 1].

    ``self_made`` says which references were made from their own target. References are chosen by ``pairing``:

    - ``list``: the rows of a CSV file (see `colorzoo.data.pair_list.read_pairs`).
    - ``class``: another picture of the same folder; for a validation picture one of the training pictures of
      its class.
    - ``nearest``: one of the training pictures with the nearest features (training picks any of
      ``neighbors``, validation takes the first). The index is built once, by ``prepare_data``, and again
      when pictures or encoder change.
    - ``self``: made from the target itself, on the device: ``crop_flip`` as SPColor or ``warp_jitter`` as
      Color2Embed.

    Args:
        root: Folder of pictures, with or without subfolders ``train`` and ``val``.
        pairing: One of the above.
        pairs: For ``list``: the CSV file, relative to ``root``.
        val_pairs: For ``list``: a file of validation pairs; None takes some of ``pairs``.
        encoder: For ``nearest``: name of a timm network.
        pretrained: For ``nearest``: False compares by random weights, for trials without a network.
        neighbors: For ``nearest``: how many pictures training picks from.
        index_file: For ``nearest``: the index; None takes ``neighbors-ENCODER.npz`` in ``root``.
        self_reference: How a reference is made from the target.
        self_share: Share of training pictures whose reference is made from the target instead (SPColor: 0.2).
        kwargs: Arguments of `FolderDataModule`.
    """

    def __init__(
        self,
        root: str,
        pairing: Pairing = "self",
        pairs: str = "pairs.csv",
        val_pairs: str | None = None,
        encoder: str = "vit_small_patch16_224.dino",
        pretrained: bool = True,
        neighbors: int = 5,
        index_file: str | None = None,
        self_reference: SelfReference = "crop_flip",
        self_share: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    def build_encoder(self) -> FeatureEncoder:
        """Return the encoder of ``pairing: nearest``; override it for one that timm does not have."""
        return timm_encoder(self.hparams.encoder, pretrained=self.hparams.pretrained)

    @property
    def encoder_name(self) -> str:
        """The name by which an index knows this encoder; override it together with `build_encoder`."""
        state = "pretrained" if self.hparams.pretrained else "random-0"
        return f"timm:{self.hparams.encoder}:{state}"

    @property
    def index_path(self) -> Path:
        """Where the index of nearest pictures is."""
        name = re.sub(r"[^\w.-]+", "-", self.encoder_name)
        return Path(self.hparams.index_file or Path(self.hparams.root) / f"neighbors-{name}.npz")

    def prepare_data(self) -> None:
        """Check the pictures, and build the index of the nearest where it is missing or stale."""
        if self.hparams.pairing in ("list", "self"):
            super().prepare_data()
        if self.hparams.pairing == "nearest" and self._index() is None:
            train, val = (pictures.sources for pictures in self._library)
            build_neighbors(train, val, self.build_encoder(), self.index_path, k=self.hparams.neighbors)

    def setup(self, stage: str) -> None:
        """Find the pictures and say which references they have (once).

        Raises:
            DataError: Pictures, the list or the index are missing.
        """
        if self.hparams.pairing in ("list", "self"):
            super().setup(stage)
        elif self.val_data is None:
            train, val = self._library
            for_train, for_val = self._picks()
            self.train_data = self._referenced(train.sources, for_train, train=True)
            val = val.first(self.hparams.val_limit)
            self.val_data = self._referenced(val.sources, for_val, train=False)

    def find_pictures(self, split: str) -> Pictures:
        """Return the targets of a split, with their references where a list says them."""
        hp = self.hparams
        if hp.pairing != "list":
            return super().find_pictures(split)
        both = read_pairs(Path(hp.root), hp.pairs, hp.val_pairs, hp.val_share)
        pairs = both[0] if split == "train" else both[1]
        targets = Sources.of((pair.target for pair in pairs), hp.root)
        return PairedPictures(targets, partners=Partners.of([pair.reference] for pair in pairs))

    def make_dataset(self, pictures: Pictures, *, train: bool) -> Dataset[Any]:
        """Return crops of targets with the references of a list, or of targets alone."""
        if not isinstance(pictures, PairedPictures) or pictures.partners is None:
            return super().make_dataset(pictures, train=train)
        references = Sources.of(pictures.partners[index][0] for index in range(len(pictures)))
        return self._referenced(pictures.sources, same_row, references, train=train)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Make references from the targets, for all of them or for the share that asks for it."""
        given: Tensor | None = batch.get("reference")
        share = self.hparams.self_share if training else 0.0
        rgb, seeds = batch["rgb"], batch["seed"]
        chosen = torch.full((len(rgb),), given is None, device=rgb.device)
        if given is not None and not share:
            return {**batch, "self_made": chosen}
        made = _MAKERS[self.hparams.self_reference](rgb, picture_generators(seeds, "referen"))
        if given is not None:
            draws = draw_uniform(picture_generators(seeds, "share"), len(rgb), 1, rgb.device)
            chosen = draws[:, 0] < share
            made = torch.where(chosen[:, None, None, None], made, given)
        return {**batch, "reference": made, "self_made": chosen}

    @cached_property
    def _library(self) -> tuple[Pictures, Pictures]:
        """The usable pictures of both splits; references are chosen from those of training."""
        train = self.usable(self.find_pictures("train"), drop_gray=self.hparams.drop_gray)
        val = self.usable(self.find_pictures("val"), drop_gray=False)
        if not len(train) or not len(val):
            what = "validation" if len(train) else "training"
            raise DataError(f"no usable {what} picture in {self.hparams.root!r}.")
        return train, val

    def _picks(self) -> tuple[Pick, Pick]:
        train, val = (pictures.sources for pictures in self._library)
        if self.hparams.pairing == "class":
            return _same_class(train, val, Path(self.hparams.root))
        found = self._index()
        if found is None:
            raise DataError(
                f"{str(self.index_path)!r} is no index of these pictures and this encoder; "
                "call prepare_data() to build it."
            )
        return Nearest(found.train, vary=True), Nearest(found.val, vary=False)

    def _index(self) -> Neighbors | None:
        train, val = (pictures.sources for pictures in self._library)
        return load_neighbors(train, val, self.encoder_name, self.index_path, k=self.hparams.neighbors)

    def _referenced(
        self, targets: Sources, pick: Pick, references: Sources | None = None, *, train: bool
    ) -> ReferencedDataset:
        """Return targets with references, from those of training where no others are given."""
        hp = self.hparams
        return ReferencedDataset(
            targets,
            self._library[0].sources if references is None else references,
            pick,
            side=self.train_side if train else hp.val_size,
            reference_side=hp.crop if train else hp.val_size,
            random_crop=train,
        )


def _same_class(train: Sequence[Source], val: Sequence[Source], root: Path) -> tuple[SameClass, SameClass]:
    names = [_below_split(name) for name in class_names([*train, *val], root)]
    number = {name: index for index, name in enumerate(sorted(set(names[: len(train)])))}
    for source, name in zip([*train, *val], names, strict=True):
        if not name or name not in number:
            raise DataError(
                f"{source.name!r} has no class with training pictures; expected CLASS/picture below the root."
            )
    label = torch.tensor([number[name] for name in names])
    library, queries = label[: len(train)], label[len(train) :]
    counts = torch.bincount(library, minlength=len(number))
    members, starts = library.argsort(stable=True), counts.cumsum(0) - counts
    return SameClass(members, starts, counts, library, own=True), SameClass(
        members, starts, counts, queries, own=False
    )


def _below_split(name: str) -> str:
    return re.sub(r"^(train|val)(/|$)", "", name)
