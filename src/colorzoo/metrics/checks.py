"""What every metric asks of its input, in one line each."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from colorzoo.errors import DataError


def require_pair(image: Tensor, target: Tensor, channels: int) -> None:
    """Make sure that two batches can be compared pixel by pixel.

    Raises:
        DataError: Not both are ``(B, channels, H, W)`` of one shape.
    """
    require_pictures(image, channels)
    if image.shape != target.shape:
        raise DataError(
            f"pictures of {tuple(image.shape)} and their truth of {tuple(target.shape)} differ in shape; "
            "resize one to the other first"
        )


def require_pictures(image: Tensor, channels: int) -> None:
    """Make sure that a batch has the right number of channels.

    Raises:
        DataError: It is not ``(B, channels, H, W)``.
    """
    if image.dim() != 4 or image.shape[1] != channels:
        raise DataError(f"expected pictures (B, {channels}, H, W), got {tuple(image.shape)}")


def require_mask(mask: Tensor, image: Tensor) -> None:
    """Make sure that a mask belongs to a batch.

    Raises:
        DataError: It is not ``(B, 1, H, W)`` with the batch's B, H and W.
    """
    expected = (image.shape[0], 1, *image.shape[2:])
    if tuple(mask.shape) != expected:
        raise DataError(f"expected a mask {expected} for these pictures, got {tuple(mask.shape)}")


def require_count(items: Sequence[object], image: Tensor) -> None:
    """Make sure that there is one item a picture.

    Raises:
        DataError: There are more or fewer.
    """
    if len(items) != len(image):
        raise DataError(f"expected one truth for each of {len(image)} pictures, got {len(items)}")
