"""Silence channels that no photo makes fire, so that none can ever shout.

A channel that never fires in training leaves a variance of nearly zero behind, and its normalization
answers three hundred times what it reads. An input that makes it fire after all then has maps of millions,
and a later normalization that is trained learns their statistics. Here such a normalization answers its
constant, whatever it reads; photos are colored as before. `colorzoo.zoo.zhang2017.revive` draws such channels
anew instead.

python -m colorzoo.zoo.zhang2017.silence trained.safetensors -o silenced.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from colorzoo.factory import create_model
from colorzoo.weights.load import read_metadata, save_weights

_SILENT = 1e-4
"""Variance below which a channel did not fire; others have hundreds, in block 1 hundredths."""


@torch.no_grad()
def silence(network: nn.Module) -> int:
    """Let normalizations answer a constant for channels without variance, in place; return for how many.

    The constant is what they answer to a channel that rests behind its ReLU, at 0.

    Args:
        network: Trained.
    """
    count = 0
    for norm in network.modules():
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None
        assert variance is not None
        rests = variance < _SILENT
        norm.bias.sub_(torch.where(rests, norm.weight * mean / (variance + norm.eps).sqrt(), 0.0))
        norm.weight.masked_fill_(rests, 0.0)
        count += int(rests.sum())
    return count


def main() -> None:
    """Silence a weight file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="of `colorzoo weights pack`")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="zhang2017_local_small")
    args = parser.parse_args()
    model = create_model(args.model, args.weights)
    count = silence(model)
    save_weights(args.output, model.state_dict(), read_metadata(args.weights))
    print(f"{count} channels silenced: {args.output}")


if __name__ == "__main__":
    main()
