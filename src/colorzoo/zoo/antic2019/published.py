"""Parameter names of the author's generators."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.renaming import Pattern
from colorzoo.zoo.antic2019.network import Decoder

NAMES: tuple[Pattern, ...] = (
    (r"layers\.0\.0\.", "encoder.conv1."),
    (r"layers\.0\.1\.", "encoder.bn1."),
    (r"layers\.0\.([4-7])\.", lambda m: f"encoder.layer{int(m[1]) - 3}."),
    (r"layers\.1\.", "norm."),
    (r"layers\.3\.", "middle."),
    (r"layers\.([4-7])\.", lambda m: f"blocks.{int(m[1]) - 4}."),
    (r"layers\.8\.(.*)\.weight_g$", r"up.\1.parametrizations.weight.original0"),
    (r"layers\.8\.(.*)\.weight_v$", r"up.\1.parametrizations.weight.original1"),
    (r"layers\.8\.", "up."),
    (r"layers\.10\.layers\.0\.0\.", "refine.first."),
    (r"layers\.10\.layers\.1\.0\.", "refine.second."),
    (r"layers\.11\.0\.", "head."),
)
_RECOGNIZED_BY: Mapping[str, Decoder] = {
    "layers.4.conv1.0.weight_orig": "deep",
    "layers.4.conv.0.weight_orig": "wide",
}
_NAMES: Mapping[Decoder, str] = {"deep": "antic2019 (artistic)", "wide": "antic2019_stable (stable, video)"}
_DISCRIMINATOR = "12.0.weight_orig"


def require_generator(state_dict: Mapping[str, Tensor], decoder: Decoder) -> None:
    """Reject the weights of the other model, or of a discriminator.

    Raises:
        WeightsError: The weights are not a generator with this decoder.
    """
    found = next((kind for key, kind in _RECOGNIZED_BY.items() if key in state_dict), decoder)
    if found != decoder:
        raise WeightsError(f"weights belong to {_NAMES[found]}, not to {_NAMES[decoder]}. Select that model.")
    if _DISCRIMINATOR in state_dict:
        raise WeightsError(
            "weights must belong to a generator, got a discriminator (needed only for training)."
        )
