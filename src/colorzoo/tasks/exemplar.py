"""What the training of exemplar models shares: references made from the picture itself, noise on lightness."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.references import crop_flip_reference
from colorzoo.draws import picture_generators
from colorzoo.networks.exemplar import Reference


def self_reference(batch: Batch) -> tuple[Reference, Tensor]:
    """Return the references of a batch and which ``(B,)`` were made from their own target.

    Where the data has no references, all are made: a large crop, half of them mirrored.
    """
    rgb = batch["rgb"]
    given = batch.get("reference")
    if given is None:
        given = crop_flip_reference(rgb, picture_generators(batch["seed"], "referen"))
        made = torch.ones(len(rgb), device=rgb.device)
    else:
        made = batch.get("self_made", torch.zeros(len(rgb), device=rgb.device)).float()
    return Reference(given, rgb_to_lab(given)[:, 1:]), made


def made_reference(lab: Tensor, seeds: Tensor) -> Tensor:
    """Return references ``(B, 3, H, W)`` in [0, 1] made from pictures ``(B, 3, H, W)`` in Lab."""
    return crop_flip_reference(lab_to_rgb(lab), picture_generators(seeds, "referen"))


def with_noise(luma: Tensor, seeds: Tensor, deviation: float) -> Tensor:
    """Add normal noise to lightness ``(B, 1, H, W)``, each picture its own."""
    if not deviation:
        return luma
    shape = luma.shape[1:]
    noise = [torch.randn(shape, generator=each) for each in picture_generators(seeds, "noise")]
    return luma + deviation * torch.stack(noise).to(luma)


def tie(network: nn.Module) -> Tensor:
    """Return a zero that every parameter takes part in.

    A batch without a common class gives the correspondence network no gradient; several processes would wait for
    one.
    """
    return 0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum()
