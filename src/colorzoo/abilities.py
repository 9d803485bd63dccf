"""Mixins for the optional abilities of models.

A model inherits from `ColoringModel` and from one mixin for each ability, and defines the abstract methods of
the mixins. Callers test an ability with ``isinstance``. This module does not import torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from colorzoo.guidance import Boxes, Exemplar, Guidance, Regions
    from colorzoo.prediction import Prediction

__all__ = [
    "DetectionModel",
    "DiffusionModel",
    "DrawingModel",
    "EncodingModel",
    "ExemplarModel",
    "MatchingModel",
    "RegionModel",
    "SegmentationModel",
    "SimilarityModel",
    "StyleModel",
    "TextModel",
    "Transform",
    "VideoModel",
]

Transform = Literal["adain", "wct"]
"""Feature statistics for `StyleModel.stylize`: means and deviations (AdaIN), or covariances (WCT)."""


class DetectionModel(ABC):
    """Model that detects objects in grayscale images."""

    @property
    def detects(self) -> bool:
        """True if an object detector is configured, so that `find_boxes` can be called."""
        return True

    @abstractmethod
    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Detect objects in lightness ``(B, 1, H, W)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """


class DiffusionModel(ABC):
    """Model that samples colors in several steps with a network that predicts noise.

    Attributes:
        noise_channels: Number of channels of the noise.
        noise_levels: Number of noise levels; see `colorzoo.networks.NoiseSchedule`.
    """

    noise_channels: int = 2
    noise_levels: int = 1000

    @abstractmethod
    def predict_noise(
        self, lightness: Tensor, guidance: Guidance | None, noisy: Tensor, level: Tensor
    ) -> Tensor:
        """Predict the noise in noisy colors; one step of the sampler, exported by ``--part denoiser``.

        Args:
            lightness: ``(B, 1, H, W)``.
            guidance: Guidance without seeds, or None.
            noisy: ``(B, C, H, W)`` noisy colors, where C is `noise_channels`.
            level: ``(B,)`` int64 noise level of each image.

        Returns:
            Noise ``(B, C, H, W)``.
        """


class SegmentationModel(ABC):
    """Model that predicts the class of each pixel.

    A subclass can define two attributes: ``class_count``, the number of classes, and ``class_names``, the
    class names by index.
    """

    @abstractmethod
    def segment(self, lightness: Tensor) -> Tensor:
        """Predict the class of each pixel, ``(B, 1, H, W)`` int64, from lightness in [0, 100]."""


class MatchingModel(ABC):
    """Model whose features match the frames of a video."""

    @abstractmethod
    def match_features(self, lightness: Tensor, encoded: Any = None) -> Tensor:
        """Return features ``(B, C, h, w)`` of cells of 8 x 8 pixels.

        The dot product of two feature vectors is their similarity, at most 1.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            encoded: Encoding of the image, see `EncodingModel.encode_image`; None for a new image.
        """


class RegionModel(ABC):
    """Model that divides sketches into regions for the user to color."""

    @abstractmethod
    def propose(self, lightness: Tensor) -> Regions:
        """Divide images ``(B, 1, H, W)`` into regions for the user to color, the most useful region first."""


class DrawingModel(ABC):
    """Model that predicts the colors of regions in line drawings.

    For sketch models without this ability, a region gets its mean predicted color.
    """

    @abstractmethod
    def region_colors(
        self, prediction: Prediction, votes: Tensor, palette: Tensor | None = None, variant: int = 0
    ) -> Tensor:
        """Choose the sRGB color ``(n, 3)`` in [0, 1] of each region of a drawing.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, weight of each cell of the predicted color distribution in each region.
            palette: ``(P, 3)`` sRGB in [0, 1], the only colors to choose from; None for no limit.
            variant: 0 for the default colors; other numbers select other likely colors.
        """

    @abstractmethod
    def region_similarity(self, prediction: Prediction, votes: Tensor, regions: Tensor) -> Tensor:
        """Return the probability ``(k, n)`` that k regions and each region of a drawing have one color.

        Similar regions copy the exact color of a point.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `region_colors`.
            regions: ``(k,)``, numbers of the k regions.
        """


class VideoModel(ABC):
    """Model that colorizes video frames in order, with the colors of the previous frame as input."""

    @abstractmethod
    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Predict ab ``(T, 2, H, W)`` in CIE units for successive frames of a video.

        Args:
            frames: Lightness ``(T, 1, H, W)`` in [0, 100].
            exemplar: Reference for all frames.
            previous: Lab ``(1, 3, H, W)`` of the frame before ``frames[0]``; None at the start of a video.
        """


class ExemplarModel(ABC):
    """Model that encodes reference images as embeddings, which can be mixed and cached."""

    @abstractmethod
    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode reference images ``(B, 3, H, W)`` in [0, 1] as embeddings ``(B, R, C)``.

        R is 1 for a single vector, 2 for feature means and standard deviations, or the number of positions in
        the feature map of the reference.
        """

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Mix the embeddings of several references into one embedding ``(1, R, C)``, by default their mean.

        Standard deviations in embeddings are averaged like other values. The joint standard deviation of a
        warm and a cold reference would give more vivid colors than either reference.

        Args:
            embeddings: Embeddings ``(1, R, C)`` from `encode_reference` or from this method.
            weights: Nonnegative weight of each embedding, with a sum of 1.
        """
        import torch

        weighted = [each * weight for each, weight in zip(embeddings, weights, strict=True)]
        return torch.stack(weighted).sum(0)


class EncodingModel(ABC):
    """Model that encodes an image once and predicts colors for edited guidance from the encoding.

    ``decode_image(lightness, guidance, encode_image(lightness, guidance))`` must equal
    ``model(lightness, guidance)``.
    """

    @abstractmethod
    def encode_image(self, lightness: Tensor, guidance: Guidance, encoded: Any = None) -> Any:
        """Compute the part of a prediction that does not depend on the guidance that users edit most.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Complete guidance of the image.
            encoded: Result of this method for the same image and other guidance. Parts that do not depend on
                changed guidance are reused, and the argument is not modified. None reuses nothing.

        Returns:
            Encoding for `decode_image`; ``encoded`` itself if all parts are reused.
        """

    @abstractmethod
    def decode_image(self, lightness: Tensor, guidance: Guidance, encoded: Any) -> Prediction:
        """Predict the colors of an image from its encoding.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Guidance that was passed to `encode_image`.
            encoded: Result of `encode_image`.
        """


class SimilarityModel(EncodingModel):
    """Model that predicts which positions of an image resemble each other."""

    @abstractmethod
    def similarity(self, encoded: Any, mask: Tensor) -> Tensor:
        """Return the similarity ``(1, 1, h, w)`` in [0, 1] of each position to the best match in a mask.

        The similarity limits how far the color of a point spreads (the reach of the point).

        Args:
            encoded: Result of `encode_image`, for any guidance.
            mask: ``(1, 1, H, W)`` in {0, 1}, with at least one 1.
        """


class StyleModel(ABC):
    """Model that transfers the colors of a style image to a color image."""

    @abstractmethod
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
            transform: Feature statistics to match; see `Transform`.
            alpha: Strength of the transfer in [0, 1].
            labels: Integer label maps ``(H, W)`` of the content and ``(H', W')`` of the style. With label
                maps, feature statistics are matched separately for each label, and the batch size must be 1.

        Returns:
            RGB ``(B, 3, H, W)`` in [0, 1].
        """


class TextModel(ABC):
    """Model that explains which words of a text it uses."""

    @abstractmethod
    def read_text(self, text: str) -> list[tuple[str, str]]:
        """Return the words of a text without articles and prepositions, in their order.

        The second entry is the reason why a word has no effect; empty for a word with an effect.
        """
