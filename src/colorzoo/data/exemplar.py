"""`ExemplarPairsDataModule`: targets with reference pictures, however they are chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from colorzoo.data.dataset import PictureDataset
from colorzoo.data.neighbors import Encoder, Neighbors, build_neighbors, load_neighbors, timm_encoder
from colorzoo.data.pair_list import read_pairs
from colorzoo.data.pairing import Nearest, Pick, ReferencedDataset, SameClass, same_row
from colorzoo.data.references import crop_flip_reference, warp_jitter_reference
from colorzoo.data.shard_labels import class_names
from colorzoo.data.sketch import usable
from colorzoo.data.sources import Source, find_sources, split_by_content
from colorzoo.data.streams import StreamDataModule
from colorzoo.draws import Generators, picture_generators, uniform_draws
from colorzoo.errors import DataError

Pairing = Literal["list", "class", "nearest", "self"]
SelfReference = Literal["crop_flip", "warp_jitter"]

_MAKERS: dict[str, Callable[[Tensor, Generators], Tensor]] = {
    "crop_flip": crop_flip_reference,
    "warp_jitter": warp_jitter_reference,
}


@dataclass(frozen=True)
class _Split:
    """Targets, what their references are chosen from, and how."""

    targets: Sequence[Source]
    references: Sequence[Source]
    pick: Pick | None


class ExemplarPairsDataModule(StreamDataModule):
    """Targets and references: beside ``rgb`` a batch has ``reference``, ``(B, 3, H, W)`` in [0, 1].

    References are chosen by ``pairing``:

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
        drop_gray: Leave out training pictures without color.
        check: Decode every picture once before training, to leave out broken and gray ones.
        val_share: Expected share of validation pictures or pairs where nothing says which they are.
        kwargs: Arguments of `StreamDataModule`.
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
        drop_gray: bool = True,
        check: bool = True,
        val_share: float = 0.05,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self._found: tuple[list[Source], list[Source], Path] | None = None

    def build_encoder(self) -> Encoder:
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
        """Build the index of nearest pictures where it is missing or stale (in one process)."""
        if self.hparams.pairing == "nearest" and self._index() is None:
            train, val, _ = self._pictures()
            build_neighbors(train, val, self.build_encoder(), self.index_path, k=self.hparams.neighbors)

    def setup(self, stage: str) -> None:
        """Find the pictures and say which references they have (once).

        Raises:
            DataError: Pictures, the list or the index are missing.
        """
        if self.val_data is not None:
            return
        hp = self.hparams
        train, val = self._listed() if hp.pairing == "list" else self._chosen()
        if not len(train.targets) or not len(val.targets):
            raise DataError(
                f"no usable {'validation' if len(train.targets) else 'training'} picture in {hp.root!r}."
            )
        self.train_data = self._dataset(train, self.train_side, hp.crop, random_crop=True)
        val = replace(val, targets=val.targets[: hp.val_limit])
        self.val_data = self._dataset(val, hp.val_size, hp.val_size, random_crop=False)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Make references from the targets, for all of them or for the share that asks for it."""
        given: Tensor | None = batch.get("reference")
        share = self.hparams.self_share if training else 0.0
        if given is not None and not share:
            return batch
        rgb, seeds = batch["rgb"], batch["seed"]
        made = _MAKERS[self.hparams.self_reference](rgb, picture_generators(seeds, "referen"))
        if given is not None:
            draws = uniform_draws(picture_generators(seeds, "share"), len(rgb), 1, rgb.device)
            made = torch.where(draws[:, :, None, None] < share, made, given)
        return {**batch, "reference": made}

    def _listed(self) -> tuple[_Split, _Split]:
        hp = self.hparams
        train, val = read_pairs(Path(hp.root), hp.pairs, hp.val_pairs, hp.val_share)
        good = set(
            usable(list({pair.target: None for pair in train}), check=hp.check, drop_gray=hp.drop_gray)
        )
        train = [pair for pair in train if pair.target in good]
        first, second = (
            _Split([pair.target for pair in pairs], [pair.reference for pair in pairs], same_row)
            for pairs in (train, val)
        )
        return first, second

    def _chosen(self) -> tuple[_Split, _Split]:
        train, val, folder = self._pictures()
        pairing = self.hparams.pairing
        if pairing == "class":
            picks: tuple[Pick | None, Pick | None] = _same_class(train, val, folder)
        elif pairing == "nearest":
            found = self._index()
            if found is None:
                raise DataError(
                    f"{str(self.index_path)!r} is no index of these pictures and this encoder; "
                    "call prepare_data() to build it."
                )
            picks = Nearest(found.train, vary=True), Nearest(found.val, vary=False)
        else:
            picks = None, None
        return _Split(train, train, picks[0]), _Split(val, train, picks[1])

    def _pictures(self) -> tuple[list[Source], list[Source], Path]:
        """Return training and validation pictures and the folder whose subfolders are classes."""
        if self._found is None:
            root, hp = Path(self.hparams.root), self.hparams
            divided = (root / "train").is_dir() and (root / "val").is_dir()
            found = (
                (find_sources(root / "train"), find_sources(root / "val"))
                if divided
                else split_by_content(find_sources(root), hp.val_share)
            )
            train = usable(found[0], check=hp.check, drop_gray=hp.drop_gray)
            self._found = train, list(found[1]), root
        return self._found

    def _index(self) -> Neighbors | None:
        train, val, _ = self._pictures()
        return load_neighbors(train, val, self.encoder_name, self.index_path, k=self.hparams.neighbors)

    def _dataset(
        self, split: _Split, side: int, reference_side: int, *, random_crop: bool
    ) -> PictureDataset | ReferencedDataset:
        if split.pick is None:
            return PictureDataset(split.targets, resize=side, crop=side, random_crop=random_crop)
        return ReferencedDataset(
            split.targets,
            split.references,
            split.pick,
            side=side,
            reference_side=reference_side,
            random_crop=random_crop,
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
