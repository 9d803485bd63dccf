"""What colors a picture, without what trains it: nothing here imports Lightning, which takes seconds.

Every model of the zoo is a `ColoringModel`. Most are `ColorizationModule` alone. A paper may also give an
`InferenceModel`: the same network and answers from the same weights, for a process that only colors.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo.card import GuidanceKind, InputKind, OutputKind
from colorzoo.errors import WeightsError
from colorzoo.guidance import Guidance
from colorzoo.settings import complete_arguments
from colorzoo.tasks.prediction import Prediction
from colorzoo.tasks.provenance import Provenance


class ColoringModel(nn.Module):
    """What inference asks of a model.

    Attributes:
        accepts: Kinds of guidance.
        input_kind: What ``forward`` reads.
        output_kind: What it answers.
        working_size: The shorter side in pixels at which the network wants to see a picture when the user
            names none; a class attribute, or a property where a setting decides it.
        network: What colors.
        trained: Whether the weights were ever trained or loaded; checkpoints carry it.
        provenance: How the weights were made.
    """

    accepts: frozenset[GuidanceKind] = frozenset()
    input_kind: InputKind = "gray"
    output_kind: OutputKind = "ab"
    working_size: int = 256

    network: nn.Module
    trained: bool
    provenance: Provenance

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name, as plain mappings, lists, numbers and text."""
        raise NotImplementedError(f"{type(self).__name__} must define hparams")

    @property
    def device(self) -> Any:
        """Where the weights are; the CPU without any."""
        held = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if held is None else held.device

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch.

        Args:
            luma: ``(B, 1, H, W)``: L in [0, 100], or a sketch in [0, 1] for models that read sketches.
            guidance: What the user gives; kinds that the model does not accept are ignored.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(luma, guidance)")

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' checkpoint, given under their names (strict).

        Raises:
            WeightsError: Keys or shapes do not fit, or no such checkpoint exists for this model.
        """
        del state_dict
        raise WeightsError(f"{type(self).__name__} has no published checkpoint it could load.")

    def borrowed_weights(self) -> Mapping[str, Tensor]:
        """Return the weights by name that another registered model brings along; files leave them out."""
        return {}


class InferenceModel(ColoringModel):
    """Base of the models that only color.

    A subclass takes those groups of settings of its paper's `ColorizationModule` that decide its answers.

    Args:
        network: What colors; one without weights has nothing to train.
        **settings: The arguments of the subclass.
    """

    def __init__(self, network: nn.Module, **settings: Any) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.trained = next(network.parameters(), None) is None
        self.provenance = Provenance(model=type(self).__name__)
        self._settings = complete_arguments(type(self), settings)

    @property
    def hparams(self) -> Any:
        """The arguments of the subclass by name, as plain mappings, lists, numbers and text."""
        return self._settings


def without_discriminator(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a model that only colors has a place for: all weights but those of a discriminator."""
    return {key: value for key, value in state_dict.items() if not key.startswith("discriminator.")}
