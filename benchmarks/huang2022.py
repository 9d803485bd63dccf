"""UniColor (Huang et al. 2022): drawing the codes of a picture from remembered keys and values.

The reference is the published way, a whole pass of the transformer for each of 256 cells; a few are timed.
Weights are random: with trained ones the share of whole passes may differ.
"""

from __future__ import annotations

import time

import torch

from benchmarks._common import Options, Row, share_of, time_in_turn, times_faster, where
from colorzoo.zoo.huang2022.sampling import gumbel_noise, sample_cached, winner
from colorzoo.zoo.huang2022.transformer import Hints, HybridTransformer, TransformerSizes

CODES, WIDTH, TOP_K = 4096, 512, 100
CHECKED = range(15, 256, 30)  # cells whose draw is compared; all of them take minutes
GOAL = 4.0


@torch.inference_mode()
def run(options: Options) -> list[Row]:
    """Measure the time of a picture and compare the draws of some cells."""
    del options
    torch.manual_seed(0)
    sizes = TransformerSizes()
    network = HybridTransformer(sizes, WIDTH, CODES).eval()
    cells = sizes.rows * sizes.columns
    gray, nothing = torch.randn(1, cells, WIDTH), torch.full((sizes.rows, sizes.columns), CODES)
    noise = gumbel_noise(torch.Generator().manual_seed(0), cells, CODES)
    start = time.process_time()
    found = sample_cached(network, gray, nothing, range(cells), Hints.none(), noise, TOP_K)
    ours = time.process_time() - start
    different = 0
    for cell in CHECKED:
        before = found.clone()
        before.view(-1)[cell:] = CODES
        logits = network(gray, before[None], Hints.none())[0, cell]
        different += winner(logits, noise[cell], TOP_K) != int(found.view(-1)[cell])
    call = {"published": lambda: network(gray, found[None], Hints.none())}
    theirs = cells * time_in_turn(call, runs=3)["published"]
    return [
        times_faster("UniColor, codes of a picture in s, against published", ours, theirs, GOAL, where()),
        share_of("UniColor, codes that differ", different, len(CHECKED), 0.0, where()),
    ]
