"""Steps that ask the model: for colors, the likeness of places, boxes of objects, looks, and regions.

Each is a step with the setting ``network``, the model.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from colorzoo.guidance import Boxes, Exemplar, Guidance, Points, Regions, Scribbles
from colorzoo.inference.network import EditState, NetworkRunner
from colorzoo.inference.steps.reach import Places
from colorzoo.prediction import Prediction


def keep_state(*unchanged: object, network: NetworkRunner) -> EditState:
    """Make room for what the model keeps from edit to edit.

    Args:
        unchanged: What an edit must not change, so that the state of before is still true.
        network: The model.
    """
    del unchanged, network
    return EditState()


def run_network(
    seen: Tensor,
    guidance: Guidance,
    points: Points | None,
    strokes: Scribbles | None,
    state: EditState,
    *,
    network: NetworkRunner,
) -> Prediction:
    """Run the network; see `NetworkRunner.predict`.

    Args:
        seen: ``(1, 1, h, w)`` lightness or sketch.
        guidance: All other guidance.
        points: The points; None for none.
        strokes: The strokes; None for none.
        state: What the model keeps from edit to edit.
        network: The model.
    """
    return network.predict(seen, replace(guidance, points=points, scribbles=strokes), state)


def compare_places(lightness: Tensor, state: EditState, *, network: NetworkRunner, places: Places) -> Tensor:
    """Ask the model how alike all places are to points, ``(1, 1, h, w)`` in [0, 1] at any size.

    See `colorzoo.capabilities.ComparesPlaces`.
    """
    mask = places.mask((int(lightness.shape[2]), int(lightness.shape[3])))
    return network.likeness(lightness, mask, state)


def find_objects(lightness: Tensor, *, network: NetworkRunner) -> Boxes:
    """Ask the model for the boxes of objects; see `colorzoo.capabilities.FindsBoxes`.

    Raises:
        GuidanceError: The model has no detector.
    """
    found: Boxes = network.ask(lambda model: model.find_boxes(lightness.to(model.device)).to("cpu"))
    return found


def find_look(exemplar: Exemplar, *, network: NetworkRunner) -> Exemplar:
    """Ask the model for the look of a reference; see `colorzoo.capabilities.GivesLooks`."""
    look = network.ask(lambda model: model.look(exemplar.rgb.to(model.device)).float().cpu())
    return replace(exemplar, look=look)


def propose_regions(sketch: Tensor, *, network: NetworkRunner) -> Regions:
    """Ask the model for the regions to color; see `colorzoo.capabilities.ProposesRegions`."""
    proposed: Regions = network.ask(lambda model: model.propose(sketch.to(model.device)).to("cpu"))
    return proposed
