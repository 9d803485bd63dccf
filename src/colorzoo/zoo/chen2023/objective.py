"""What training hides from the matching, so that one network learns all that it may be asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from colorzoo.draws import picture_generators, uniform_draws
from colorzoo.networks.clusters import Classified

_MOST_CLASSES = 256


def hide(ours: Classified, theirs: Classified, seeds: Tensor, hparams: Any) -> tuple[Classified, Classified]:
    """Match some pictures without classes; hide some or all classes of some references."""
    if not (hparams.one_class or hparams.hide_classes or hparams.without_reference):
        return ours, theirs
    labels = theirs.labels
    draws = uniform_draws(picture_generators(seeds, "hide"), len(labels), _MOST_CLASSES + 2, labels.device)
    single = (draws[:, 0] < hparams.one_class)[:, None, None, None]
    ours = ours._replace(labels=torch.where(single, 0, ours.labels))
    labels = torch.where(single, 0, labels)
    hidden = draws[:, 2:].gather(1, labels.flatten(1)).view_as(labels) < hparams.hide_classes
    hidden = (hidden & ~single) | (draws[:, 1] < hparams.without_reference)[:, None, None, None]
    return ours, theirs._replace(labels=torch.where(hidden, -1, labels))
