"""Turn a training checkpoint into a small weight file that can ship inside a package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.card import Weights
from colorzoo.registry import load_class
from colorzoo.settings import flatten_arguments
from colorzoo.weights._files import sha256_of
from colorzoo.weights.load import (
    CONVENTIONS,
    load_state_dict_file,
    read_hparams,
    read_provenance,
    save_weights,
)

if TYPE_CHECKING:
    from colorzoo.card import ModelCard


def pack_checkpoint(checkpoint: Path, card: ModelCard, out: Path) -> Weights:
    """Write the (averaged) weights of a Lightning checkpoint as float16 safetensors.

    Args:
        checkpoint: Made by ``colorzoo fit``; of a run with moving averages the averages are taken.
        card: The model; its settings travel in the file's metadata, and so do those of the checkpoint that
            change what weights mean, and what the checkpoint says of its training. Nothing of that is taken
            from the card: a card may be wrong.
        out: The file to write, with the ending ``.safetensors``.

    Returns:
        The entry that belongs on the card.

    Raises:
        WeightsError: The checkpoint cannot be read.
    """
    model = load_class(card)
    state_dict = model.for_inference(load_state_dict_file(checkpoint))
    given = flatten_arguments(model, read_hparams(checkpoint))
    trained = {key: value for key, value in given.items() if key in model.recorded_hparams}
    metadata = {
        "model": card.name,
        "hparams": json.dumps({**card.hparams, **trained}, sort_keys=True),
        "conventions": CONVENTIONS,
    }
    if (provenance := read_provenance(checkpoint)) is not None:
        metadata["provenance"] = json.dumps(provenance, sort_keys=True)
    save_weights(out, state_dict, metadata)
    return Weights(sha256=sha256_of(out), size=out.stat().st_size, license="Apache-2.0", file=out.name)
