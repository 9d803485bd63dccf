"""Capabilities: optional methods of a `ColoringModel` besides ``forward``.

A model has a capability if it defines the methods of the protocol; it does not inherit from the protocol.
Callers test with ``isinstance``, which compares method names only. A method with one of these names must have
the documented meaning and shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from colorzoo.guidance import Boxes, Exemplar, Guidance, Regions, Scribbles
from colorzoo.prediction import Prediction

if TYPE_CHECKING:
    from colorzoo.networks.feature_hooks import FeatureHook, HookState, Visit

Transform = Literal["adain", "wct"]
"""Statistics that `Stylizes.stylize` matches: means and deviations (AdaIN), or covariances too (WCT)."""


@runtime_checkable
class ColorsFrames(Protocol):
    """A model that conditions each video frame on the previous frame, such as ``zhang2019``.

    Used by ``colorzoo video --reference``, which then processes frames sequentially.
    """

    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Predict ab ``(T, 2, H, W)`` in CIE units for successive frames.

        Args:
            frames: Lightness ``(T, 1, H, W)`` in [0, 100].
            exemplar: Reference of all frames.
            previous: Lab ``(1, 3, H, W)`` of the frame before ``frames[0]``; None at the start of a video.
        """


@runtime_checkable
class ComputesSimilarity(Protocol):
    """A model that computes the similarity of image positions, such as ``colorzoo2026``.

    The reach of a point limits its color to positions with a high similarity.
    """

    def init_cache(self) -> Any:
        """Return an empty cache."""

    def similarity(self, lightness: Tensor, mask: Tensor, cache: Any) -> Tensor:
        """Return the similarity of each position to the most similar position of a mask.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            mask: ``(1, 1, H, W)`` in {0, 1}, with at least one 1.
            cache: Result of `init_cache`; updated, so the network runs once for an image.

        Returns:
            ``(1, 1, h, w)`` in [0, 1] at any size; 1 inside the mask.
        """


@runtime_checkable
class Edits(Protocol):
    """A model that caches intermediate results, so that editing the points of an image is fast.

    The drawing pad uses the cache to update an image without running the whole network.
    """

    def init_cache(self) -> Any:
        """Return an empty cache."""

    def edit(self, lightness: Tensor, guidance: Guidance, cache: Any) -> Prediction:
        """Return the prediction of ``model(lightness, guidance)`` for one image.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            guidance: Complete guidance of the image, not only the change.
            cache: Result of `init_cache`; updated. The cached image may be another image.
        """


@runtime_checkable
class FindsBoxes(Protocol):
    """A model that colorizes objects separately and may contain a detector, such as ``su2020``.

    The detector is used for images without boxes from the user.
    """

    @property
    def detects(self) -> bool:
        """Whether the model has a detector."""

    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Return the boxes of objects in lightness ``(B, 1, H, W)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """


@runtime_checkable
class FindsClasses(Protocol):
    """A model that transfers colors only between regions of the same class, such as ``chen2023``.

    Optional attributes: ``class_count``, the number of classes, and ``class_names``, a mapping from index to
    name.
    """

    def segment(self, lightness: Tensor) -> Tensor:
        """Return the class of each pixel, ``(B, 1, H, W)`` int64, of lightness ``(B, 1, H, W)``."""


@runtime_checkable
class EncodesReference(Protocol):
    """A model that encodes a reference as an embedding, such as ``xu2020`` and ``colorzoo2026``.

    Embeddings of several references can be mixed.
    """

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return reference embeddings.

        Weighted means of embeddings mix references, except for models with `MixesReferences`.

        Args:
            rgb: References ``(B, 3, H, W)`` in [0, 1].

        Returns:
            ``(B, R, C)``: R = 2 for feature means and deviations, R = 1 for a vector, or one row for each
            position of the reference.
        """


@runtime_checkable
class MixesReferences(Protocol):
    """A model that mixes several references with its own method.

    Models without this method average the reference embeddings. Averaging does not give a valid embedding for
    models such as ``colorzoo2026``.
    """

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Return one embedding ``(1, R, C)`` for several references.

        Args:
            embeddings: Results ``(1, R, C)`` of `EncodesReference.encode_reference` or of this method.
            weights: Nonnegative weight of each embedding; only their ratios matter.
        """


@runtime_checkable
class ProposesPoints(Protocol):
    """A model that proposes the position of the user's next point.

    The simulated user ``proposed_points`` follows the proposals. For other models it selects positions from
    the predicted color distribution.
    """

    def propose_points(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Return row and column of the next point as an int64 tensor of shape ``(B, 2)``.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Current points.
        """


@runtime_checkable
class ProposesRegions(Protocol):
    """A model that divides an image into regions for the user to color, such as ``cho2023``.

    The pad offers these regions for coloring, and recipes refer to them by index.
    """

    def propose(self, lightness: Tensor) -> Regions:
        """Return uncolored regions of lightness or sketches ``(B, 1, H, W)``, the most useful first."""


@runtime_checkable
class RefinesScribbles(Protocol):
    """A model whose encoder does not depend on scribbles, such as ``kim2021``.

    A further scribble then runs only `refine`.
    """

    def encode(self, lightness: Tensor, guidance: Guidance | None) -> Any:
        """Return the state before scribbles take effect; arguments as for ``forward``."""

    def refine(self, encoded: Any, scribbles: Scribbles) -> Prediction:
        """Colorize from the output of `encode` with all current scribbles."""


@runtime_checkable
class Stylizes(Protocol):
    """A model that transfers the colors of one image to another, such as ``xu2020``.

    Used by ``colorzoo stylize``.
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
            transform: See `Transform`.
            alpha: Strength of the transfer in [0, 1].
            labels: Integer maps ``(H, W)`` and ``(H', W')``; statistics are then matched separately for each
                label. Requires batch size 1.
        """


@runtime_checkable
class HookedModel(Protocol):
    """A model with feature hooks: activation maps that an add-on such as ``kim2021`` can modify.

    The forward pass is split at the first hook. `before_hooks` runs once for an image, `after_hooks` after
    each change of the scribbles.
    """

    @property
    def hooks(self) -> tuple[FeatureHook, ...]:
        """Feature hooks in the order of the forward pass."""
        ...

    def before_hooks(self, lightness: Tensor, guidance: Guidance | None) -> HookState:
        """Run the model up to its first hook; arguments as for ``forward``."""
        ...

    def after_hooks(self, state: HookState, visit: Visit) -> Tensor:
        """Run the model from its first hook.

        Args:
            state: Result of `before_hooks`, which can be reused.
            visit: Function that is called once for each hook, in order.

        Returns:
            ab or RGB ``(B, C, H, W)`` in float32. With `colorzoo.networks.feature_hooks.unchanged` it equals
            the output of ``forward``.
        """
        ...
