"""Capabilities: optional methods of a `ColoringModel` in addition to ``forward``.

Each capability is a protocol. A model has the capability if it defines the methods of the protocol, without
inheriting from the protocol. Callers test this with ``isinstance``, which compares only method names, so a
model must not use these names for other purposes.
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
    "ColorsRegions",
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
"""Feature statistics for `Stylizes.stylize`: means and deviations (AdaIN), or covariances (WCT)."""


@runtime_checkable
class ColorsFrames(Protocol):
    """Model that conditions each video frame on the previous frame, such as ``zhang2019``.

    For such a model, ``colorzoo video --reference`` processes frames sequentially.
    """

    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Predict ab ``(T, 2, H, W)`` in CIE units for successive frames.

        Args:
            frames: Lightness ``(T, 1, H, W)`` in [0, 100].
            exemplar: Reference for all frames.
            previous: Lab ``(1, 3, H, W)`` of the frame before ``frames[0]``; None at the start of a video.
        """


@runtime_checkable
class ColorsRegions(Protocol):
    """Model that predicts a color distribution for the regions of a drawing.

    An example is ``colorzoo2026_drawing``. `Prediction.extras` of the model contains
    ``"color_log_probabilities"``. For other sketch models, a region gets its mean predicted color.
    """

    def region_colors(
        self, prediction: Prediction, votes: Tensor, palette: Tensor | None = None, variant: int = 0
    ) -> Tensor:
        """Choose the color of each region.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, weight of each cell of the distribution in each region.
            palette: ``(P, 3)`` sRGB in [0, 1], the only colors to choose from; None for no limit.
            variant: 0 for the most likely colors; other numbers sample a palette.

        Returns:
            ``(n, 3)`` sRGB in [0, 1].
        """

    def suggest_colors(
        self, prediction: Prediction, votes: Tensor, region: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return likely colors of a region, the most likely first.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `region_colors`.
            region: Number of the region.
            count: Maximum number of colors.

        Returns:
            ``(k, 3)`` sRGB in [0, 1], and the probability ``(k,)`` of each color.
        """

    def rank_regions(self, prediction: Prediction, votes: Tensor, areas: Tensor) -> list[int]:
        """Return the regions in descending order of what their color would change in the drawing.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `region_colors`.
            areas: ``(n,)``, area of each region as a fraction of the image.
        """

    def region_similarity(self, prediction: Prediction, votes: Tensor) -> Tensor:
        """Return the probability ``(n, n)`` that two regions have one color."""


@runtime_checkable
class ComputesSimilarity(Protocol):
    """Model that computes the similarity of image positions, such as ``colorzoo2026``.

    The similarity limits how far the color of a point spreads (the reach of the point).
    """

    def init_state(self) -> Any:
        """Return an empty state, in which `similarity` stores network outputs of one image."""

    def similarity(self, lightness: Tensor, mask: Tensor, state: Any) -> Tensor:
        """Return the similarity of each position to the best matching position in a mask.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            mask: ``(1, 1, H, W)`` in {0, 1}, with at least one 1.
            state: Result of `init_state` for this image, updated so that the network runs only once.

        Returns:
            Similarity ``(1, 1, h, w)`` in [0, 1]; 1 inside the mask. The size may differ from the image size.
        """


@runtime_checkable
class Edits(Protocol):
    """Model that reuses intermediate results between edits of one image.

    With such a model, the drawing pad updates an image without running the whole network.
    """

    def init_state(self) -> Any:
        """Return an empty state, in which `edit` stores intermediate results of one image."""

    def edit(self, lightness: Tensor, guidance: Guidance, state: Any) -> Prediction:
        """Predict the colors of one image and reuse intermediate results.

        The prediction equals ``model(lightness, guidance)``.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            guidance: Complete guidance of the image, not only the changes.
            state: Result of `init_state` for this image, which is updated.
        """


@runtime_checkable
class FindsBoxes(Protocol):
    """Model that colorizes objects separately, such as ``su2020``.

    The model may contain an object detector, which runs if the user specifies no boxes.
    """

    @property
    def detects(self) -> bool:
        """Whether the model has a detector."""

    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Detect objects in lightness ``(B, 1, H, W)`` in [0, 100] and return `Boxes`.

        Raises:
            GuidanceError: The model has no detector.
        """


@runtime_checkable
class FindsClasses(Protocol):
    """Model that transfers colors between regions of the same class, such as ``chen2023``.

    Optional attributes: ``class_count``, the number of classes, and ``class_names``, the names by index.
    """

    def segment(self, lightness: Tensor) -> Tensor:
        """Predict the class of each pixel.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].

        Returns:
            Class indices ``(B, 1, H, W)`` int64.
        """


@runtime_checkable
class EncodesReference(Protocol):
    """Model that encodes a reference image as an embedding, such as ``xu2020``.

    Embeddings of several references can be mixed.
    """

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode reference images as embeddings.

        If an image has several references, their embeddings are averaged with weights, unless the model
        defines `MixesReferences.mix_references`.

        Args:
            rgb: References ``(B, 3, H, W)`` in [0, 1].

        Returns:
            Embeddings ``(B, R, C)``. R is 1 for a single vector, 2 for feature means and standard deviations,
            or the number of positions in the feature map of the reference.
        """


@runtime_checkable
class MixesReferences(Protocol):
    """Model that defines how to mix the embeddings of several references.

    Other models average the embeddings. For models such as ``colorzoo2026``, the average is not a valid
    embedding.
    """

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Mix the embeddings of several references into one embedding ``(1, R, C)``.

        Args:
            embeddings: Embeddings ``(1, R, C)`` from `EncodesReference.encode_reference` or from this method.
            weights: Nonnegative weight of each embedding; only the ratios of the weights matter.
        """


@runtime_checkable
class ProposesPoints(Protocol):
    """Model that proposes the position of the user's next point.

    The simulated user ``proposed_points`` follows the proposals. For other models, ``proposed_points``
    selects positions from the predicted color distribution.
    """

    def propose_points(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Propose the position of the next point.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Current points.

        Returns:
            ``(B, 2)`` int64: row and column of the point.
        """


@runtime_checkable
class ProposesRegions(Protocol):
    """Model that divides an image into regions for the user to color, such as ``cho2023``.

    The drawing pad shows the regions, and recipes refer to the regions by index.
    """

    def propose(self, lightness: Tensor) -> Regions:
        """Divide images into regions for the user to color, the most useful region first.

        Args:
            lightness: Lightness in [0, 100] or sketches in [0, 1], ``(B, 1, H, W)``.

        Returns:
            Regions without user colors.
        """


@runtime_checkable
class RefinesScribbles(Protocol):
    """Model whose encoder does not depend on scribbles, such as ``kim2021``.

    After a new scribble, only `refine` must run again.
    """

    def encode(self, lightness: Tensor, guidance: Guidance | None) -> Any:
        """Run the encoder and return its output, which is an argument of `refine`.

        The arguments are the same as in ``forward``, but scribbles are ignored.
        """

    def refine(self, encoded: Any, scribbles: Scribbles) -> Prediction:
        """Predict colors from the output of `encode` and all scribbles."""


@runtime_checkable
class Stylizes(Protocol):
    """Model that transfers the colors of one image to another image, such as ``xu2020``.

    ``colorzoo stylize`` requires this capability.
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
        """Transfer the colors of a style image to a content image.

        Args:
            content: RGB ``(B, 3, H, W)`` in [0, 1].
            style: RGB ``(B, 3, H', W')`` in [0, 1].
            transform: Feature statistics to match: ``"adain"`` for the mean and standard deviation of each
                channel, or ``"wct"`` for the mean and covariance of all channels.
            alpha: Strength of the transfer in [0, 1].
            labels: Integer label maps ``(H, W)`` of the content and ``(H', W')`` of the style. With label
                maps, feature statistics are matched separately for each label, and the batch size must be 1.

        Returns:
            RGB ``(B, 3, H, W)`` in [0, 1].
        """


@runtime_checkable
class HookedModel(Protocol):
    """Model whose intermediate feature maps can be modified by an add-on model.

    An add-on, such as ``kim2021``, refines the output of another model. A feature hook is a layer whose
    output the add-on can modify.

    The forward pass is split at the first hook. `before_hooks` runs once per image, and `after_hooks` runs
    after each change of the scribbles.
    """

    @property
    def hooks(self) -> tuple[FeatureHook, ...]:
        """Feature hooks in the order of the forward pass."""
        ...

    def before_hooks(self, lightness: Tensor, guidance: Guidance | None) -> HookState:
        """Run the model up to the first feature hook and return the state for `after_hooks`.

        The arguments are the same as in ``forward``.
        """
        ...

    def after_hooks(self, state: HookState, visit: Visit) -> Tensor:
        """Run the model from the first hook to the output.

        Args:
            state: Result of `before_hooks`, which is not changed and can be reused.
            visit: Function that is called for each hook, in order, and may modify the feature map.

        Returns:
            ab or RGB ``(B, C, H, W)`` in float32. If ``visit`` is
            `colorzoo.networks.feature_hooks.unchanged`, the result equals the output of ``forward``.
        """
        ...
