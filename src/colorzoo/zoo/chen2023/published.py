"""Names of the authors' checkpoints and ours: VGG-19, WarpNet, ColorVidNet, STEGO."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.exemplar import Renaming, convert_networks, rename

_STEGO: Renaming = (
    (r"^net\.model\.", "backbone.vit."),
    (r"^net\.cluster1\.0\.", "linear_code."),
    (r"^net\.cluster2\.", "bent_code."),
    (r"^cluster_probe\.clusters$", "clusters"),
    (r"^linear_probe\.", "linear."),
)


def convert_stego(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename STEGO; keys of its head stand alone, those of the ViT begin with ``backbone.``."""
    return rename(state_dict, _STEGO)


def convert_stego_encoder(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename STEGO for `StegoEncoder`, without the decoder, which only its training uses.

    Args:
        state_dict: The authors' tensors; unknown keys stay, so that a strict load reports them.
    """
    kept = {key: value for key, value in state_dict.items() if not key.startswith("decoder.")}
    ours = convert_stego(kept)
    return {key if key in kept or key.startswith("backbone.") else f"head.{key}": ours[key] for key in ours}


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename all networks in one file: ``vggnet.``, ``nonlocal_net.``, ``colornet.`` and STEGO's names.

    Args:
        state_dict: The authors' tensors; unknown keys stay, so that a strict load reports them.
    """
    ours, left = convert_networks(state_dict)
    stego = convert_stego_encoder(left)
    return ours | {key if key in left else f"segmenter.encode.{key}": stego[key] for key in stego}
