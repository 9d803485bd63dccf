"""Capabilities: methods that a model may offer beside ``forward``.

A `ColoringModel` offers a capability by having its methods; nothing is inherited, registered or forwarded by
the task. Callers ask with ``isinstance``, which compares names only, so a method must have the meaning and
the shapes that are given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from colorzoo.guidance import Boxes, Exemplar, Guidance, Regions, Scribbles
from colorzoo.prediction import Prediction

if TYPE_CHECKING:
    from colorzoo.networks.feature_hooks import FeatureHook, HookState, Visit

__all__ = [
    "ColorsFrames",
    "ComputesSimilarity",
    "Edits",
    "EncodesReference",
    "FindsBoxes",
    "FindsClasses",
    "HookedModel",
    "MixesReferences",
    "ProposesPoints",
    "ProposesRegions",
    "RefinesScribbles",
    "Stylizes",
    "Transform",
]

Transform = Literal["adain", "wct"]
"""Statistics that `Stylizes.stylize` matches."""


@runtime_checkable
class ColorsFrames(Protocol):
    """A model that uses the colors of the previous frame of a video, such as ``zhang2019``.

    With it ``colorzoo video --reference`` colors frames one after the other.
    """

    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Return the ab of successive frames.

        Args:
            frames: Lightness ``(T, 1, H, W)`` in [0, 100].
            exemplar: The reference of all frames.
            previous: Lab ``(1, 3, H, W)`` of the frame before the first one; None at the start of a video.

        Returns:
            ``(T, 2, H, W)`` in CIE units.
        """


@runtime_checkable
class ComputesSimilarity(Protocol):
    """A model that knows how alike two places of an image are, such as ``colorzoo2026``.

    With it a point colors what is alike, as far as its reach.
    """

    def init_cache(self) -> Any:
        """Return an empty memory."""

    def similarity(self, lightness: Tensor, mask: Tensor, memory: Any) -> Tensor:
        """Return how alike places are to the most similar place of a mask, and update the memory.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            mask: ``(1, 1, H, W)``, 1 at one place at least, else 0.
            memory: As of `Edits`: the network runs once for an image.

        Returns:
            ``(1, 1, h, w)`` in [0, 1] at any size, 1 at the mask.
        """


@runtime_checkable
class Edits(Protocol):
    """A model that colors an image faster after it colored it with other points.

    With it the drawing pad answers a point without running the whole network.
    """

    def init_cache(self) -> Any:
        """Return an empty memory."""

    def edit(self, lightness: Tensor, guidance: Guidance, memory: Any) -> Prediction:
        """Color one image as a plain call does, and update the memory for the next call.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            guidance: All guidance of the image, not the change alone.
            memory: Result of `init_cache`; it may hold another image.

        Returns:
            The prediction of ``model(lightness, guidance)``.
        """


@runtime_checkable
class FindsBoxes(Protocol):
    """A model that colors objects by themselves and may have a detector for them, such as ``su2020``.

    With it images whose user gives no boxes get those of the detector.
    """

    @property
    def detects(self) -> bool:
        """True if the model has a detector."""

    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Return the boxes of objects in lightness ``(B, 1, H, W)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """


@runtime_checkable
class FindsClasses(Protocol):
    """A model whose colors travel inside classes, such as ``chen2023``.

    A model may have the number of classes as ``class_count`` and their names as ``class_names``, a mapping
    from numbers.
    """

    def segment(self, lightness: Tensor) -> Tensor:
        """Return the class of each pixel, ``(B, 1, H, W)`` int64, of lightness ``(B, 1, H, W)``."""


@runtime_checkable
class EncodesReference(Protocol):
    """A model that needs only some numbers of a reference, such as ``xu2020`` and ``colorzoo2026``.

    With it several references are mixed.
    """

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the numbers of references; weighted means of them mix looks, unless it is `MixesReferences`.

        Args:
            rgb: References ``(B, 3, H, W)`` in [0, 1].

        Returns:
            ``(B, R, C)``: a row each for means and deviations of features, one row for an embedding, or a row
            for each place of the reference.
        """

    def reference_key(self) -> str:
        """Return text that is equal for two models exactly if their looks are interchangeable."""


@runtime_checkable
class MixesReferences(Protocol):
    """A model that gives looks of which a mean has no meaning, such as ``colorzoo2026``.

    With it several references are mixed in the model's own way.
    """

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Return one look of several references.

        Args:
            embeddings: Results of `EncodesReference.look` for one image each, or of this method.
            weights: From 0, one of each look; only their ratios count.

        Returns:
            ``(1, R, C)``.
        """


@runtime_checkable
class ProposesPoints(Protocol):
    """A model that proposes where the user should give the next point.

    With it the simulated user ``proposed_points`` follows the model; for others the place is taken from the
    distribution over colors.
    """

    def propose_points(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Return row and column of the next point, ``(B, 2)`` int64.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: The points given so far.
        """


@runtime_checkable
class ProposesRegions(Protocol):
    """A model that divides an image into regions for the user to color, such as ``cho2023``.

    With it the pad asks for the colors of regions, and recipes may name them by number.
    """

    def propose(self, lightness: Tensor) -> Regions:
        """Return the uncolored regions of ``(B, 1, H, W)`` lightness or sketches, in their order."""


@runtime_checkable
class RefinesScribbles(Protocol):
    """A model whose first half does not depend on the scribbles, such as ``kim2021``.

    With it a further scribble runs the second half only.
    """

    def open(self, lightness: Tensor, guidance: Guidance | None) -> Any:
        """Return the state before the scribbles; arguments as for a plain call."""

    def refine(self, opened: Any, scribbles: Scribbles) -> Prediction:
        """Color from a state of `open`, with all scribbles drawn so far."""


@runtime_checkable
class Stylizes(Protocol):
    """A model that transfers the colors of one image to another, such as ``xu2020``.

    With it ``colorzoo stylize`` works.
    """

    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: Transform = "adain",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the content in the colors of the style, ``(B, 3, H, W)`` in [0, 1].

        Args:
            content: RGB ``(B, 3, H, W)`` in [0, 1].
            style: RGB ``(B, 3, H', W')`` in [0, 1].
            transform: ``adain`` matches means and deviations, ``wct`` covariances too.
            alpha: Strength of the transfer, 0 to 1.
            labels: Integer maps ``(H, W)`` and ``(H', W')``: statistics are matched label by label. Only for
                a batch of one.
        """


@runtime_checkable
class HookedModel(Protocol):
    """A model with taps: activation maps that an add-on such as ``kim2021`` may refine.

    The forward pass is split at the first tap: `before_hooks` runs once an image, `after_hooks` each time the
    user draws.
    """

    @property
    def hooks(self) -> tuple[FeatureHook, ...]:
        """The taps in the order of the forward pass."""
        ...

    def before_hooks(self, lightness: Tensor, guidance: Guidance | None) -> HookState:
        """Run the model up to its first tap; arguments as for a plain call."""
        ...

    def after_hooks(self, state: HookState, visit: Visit) -> Tensor:
        """Run the model from its first tap.

        Args:
            state: Result of `before_hooks`; it can be used again.
            visit: Called once for each tap, in order.

        Returns:
            The output of a plain call, ab or RGB, ``(B, C, H, W)`` float32; with
            `colorzoo.networks.feature_hooks.unchanged` exactly equal.
        """
        ...
