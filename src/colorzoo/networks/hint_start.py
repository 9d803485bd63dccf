"""Begin with the trained U-Net of a Local Hints model, if it reads and answers what the new one does."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from colorzoo.errors import ColorzooError
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.networks.hint_unet import HintUNet


def fitting_unet(source: nn.Module, unet: HintUNet, *, mask_center: float, purpose: str) -> dict[str, Tensor]:
    """Return the weights of a Local Hints network for another network with the same U-Net.

    Shapes do not show everything that weights were trained for: a network that saw 0 where no hint is would
    take the -0.5 of another one for half a hint everywhere.

    Args:
        source: The trained network, with its U-Net as ``unet``.
        unet: To be given the weights.
        mask_center: What the new network subtracts from the hint mask.
        purpose: What a message calls the use, such as ``"start"``.

    Raises:
        ColorzooError: The source is of another family, width or options, or scales its input or output
            in another way.
    """
    found: Any = getattr(source, "unet", None)
    wanted = {key: value.shape for key, value in unet.state_dict().items()}
    state = found.state_dict() if isinstance(found, HintUNet) else {}
    if {key: value.shape for key, value in state.items()} != wanted:
        raise ColorzooError(
            f"{purpose} does not fit: it must be a Local Hints model of the same width, with hint attention "
            "and scene blocks as the new one has them."
        )
    theirs = (getattr(source, "mask_center", 0.0), getattr(source, "ab_scale", AB_SCALE))
    if theirs != (mask_center, AB_SCALE):
        raise ColorzooError(
            f"{purpose} does not fit: its mask center is {theirs[0]} and its output scale {theirs[1]}, here "
            f"they are {mask_center} and {AB_SCALE}."
        )
    return dict(state)
