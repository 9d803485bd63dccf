"""What simulated points cost a training step, and what they would cost picture by picture."""

from __future__ import annotations

from functools import partial
from typing import cast
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from benchmarks._harness import Options, Row, share_of, time_in_turn, times_faster, where
from colorzoo import create_model
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import simulate_points
from colorzoo.tasks import ColorizationModule

BATCH, CROP = 16, 128
GOAL_SHARE, GOAL_LOOP = 0.05, 1.0


def run(options: Options) -> list[Row]:
    """Time simulation, the authors' kind of loop, and a whole training step in turn."""
    del options
    rgb = torch.rand(BATCH, 3, CROP, CROP, generator=torch.Generator().manual_seed(0))
    ab = rgb_to_lab(rgb)[:, 1:]
    batched = partial(simulate_points, ab, torch.Generator().manual_seed(0))
    loop = partial(simulate_in_a_loop, ab, np.random.default_rng(0))
    model = create_model("zhang2017_local_small", None).train()
    batch: Batch = {"rgb": rgb, "seed": torch.arange(BATCH), "name": [""] * BATCH}
    step = partial(_training_step, model, torch.optim.AdamW(model.parameters()), batch)
    small = time_in_turn({"batched": batched, "loop": loop}, runs=25)
    whole = time_in_turn({"step": step}, runs=3)
    title = f"simulated points for {BATCH} crops of {CROP} pixels, seconds, against "
    return [
        share_of(
            title + "a step of zhang2017_local_small", small["batched"], whole["step"], GOAL_SHARE, where()
        ),
        times_faster(
            title + "a loop over pictures and points", small["batched"], small["loop"], GOAL_LOOP, where()
        ),
    ]


def _training_step(model: ColorizationModule, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    with torch.autocast("cpu", torch.bfloat16), mock.patch.object(model, "log_dict"):  # no trainer keeps them
        loss = cast(Tensor, model.training_step(batch, 0))
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


def simulate_in_a_loop(ab: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw the points of Zhang et al. 2017 one by one: the distribution of `simulate_points`, no reveal."""
    hints, mask = torch.zeros_like(ab), torch.zeros_like(ab[:, :1])
    height, width = ab.shape[-2:]
    for picture in range(len(ab)):
        while random.random() < 1 - 1 / 8:
            side = random.integers(1, 10)
            free = np.array([height, width]) - side
            top, left = np.clip(random.normal((free + 1) / 2, (free + 1) / 4), 0, free).astype(int)
            patch = (picture, slice(None), slice(top, top + side), slice(left, left + side))
            hints[patch] = ab[patch].mean(dim=(1, 2), keepdim=True)
            mask[patch] = 1
    return hints, mask
