"""What the model answers: colors, the likeness of places, boxes of objects, and looks of references."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from colorzoo.guidance import Boxes, Exemplar, Guidance, Points, Regions, Scribbles
from colorzoo.inference.network import EditState, NetworkRunner
from colorzoo.inference.steps.reach import Places
from colorzoo.prediction import Prediction


@dataclass(frozen=True)
class KeepState:
    """The step that makes room for what a model keeps from edit to edit.

    Attributes:
        network: The model.
    """

    network: NetworkRunner

    def __call__(self, *unchanged: object) -> EditState:
        """Return an empty state.

        Args:
            unchanged: What an edit must not change, so that the state of before is still true.
        """
        return EditState()

    def __str__(self) -> str:
        return "for the next edit"


@dataclass(frozen=True)
class RunNetwork:
    """The step that runs the network.

    Attributes:
        network: The model.
    """

    network: NetworkRunner

    def __call__(
        self,
        seen: Tensor,
        guidance: Guidance,
        points: Points | None,
        strokes: Scribbles | None,
        state: EditState,
    ) -> Prediction:
        """Return the prediction; see `NetworkRunner.predict`.

        Args:
            seen: ``(1, 1, h, w)`` lightness or sketch.
            guidance: All other guidance.
            points: The points; None for none.
            strokes: The strokes; None for none.
            state: What the model keeps from edit to edit.
        """
        return self.network.predict(seen, replace(guidance, points=points, scribbles=strokes), state)

    def __str__(self) -> str:
        return self.network.name


@dataclass(frozen=True)
class ComparePlaces:
    """The step that asks the model how alike places are to points.

    Attributes:
        network: The model.
        places: The points.
    """

    network: NetworkRunner
    places: Places

    def __call__(self, lightness: Tensor, state: EditState) -> Tensor:
        """Return ``(1, 1, h, w)`` in [0, 1] at any size; see `colorzoo.capabilities.ComparesPlaces`.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100].
            state: What the model keeps from edit to edit.
        """
        mask = self.places.mask((int(lightness.shape[2]), int(lightness.shape[3])))
        return self.network.likeness(lightness, mask, state)

    def __str__(self) -> str:
        return f"with {self.places}"


@dataclass(frozen=True)
class FindObjects:
    """The step that asks the model for the boxes of objects.

    Attributes:
        network: The model.
    """

    network: NetworkRunner

    def __call__(self, lightness: Tensor) -> Boxes:
        """Return the boxes; see `colorzoo.capabilities.FindsBoxes`.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """
        return self.network.ask(lambda model: model.find_boxes(lightness.to(model.device)).to("cpu"))

    def __str__(self) -> str:
        return f"by {self.network.name}"


@dataclass(frozen=True)
class FindLook:
    """The step that asks the model for the look of a reference.

    Attributes:
        network: The model.
    """

    network: NetworkRunner

    def __call__(self, exemplar: Exemplar) -> Exemplar:
        """Return the reference with its look; see `colorzoo.capabilities.GivesLooks`."""
        look = self.network.ask(lambda model: model.look(exemplar.rgb.to(model.device)).float().cpu())
        return replace(exemplar, look=look)

    def __str__(self) -> str:
        return "of the reference"


@dataclass(frozen=True)
class ProposeRegions:
    """The step that asks the model for the regions to color.

    Attributes:
        network: The model.
    """

    network: NetworkRunner

    def __call__(self, sketch: Tensor) -> Regions:
        """Return the regions without colors; see `colorzoo.capabilities.ProposesRegions`.

        Args:
            sketch: ``(1, 1, h, w)`` in [0, 1].
        """
        return self.network.ask(lambda model: model.propose(sketch.to(model.device)).to("cpu"))

    def __str__(self) -> str:
        return f"by {self.network.name}"
