"""Start SPColor from its ancestor, the networks of Zhang et al. 2019, as the published code does."""

from __future__ import annotations

from typing import Any

from torch import nn

from colorzoo.errors import ColorzooError

_NEW = {
    "features": (),
    "correspondence": ("theta.", "phi."),
    "network": ("conv1.0.", "conv1.1."),
    "discriminator": ("layers.0.", "last."),
}  # of each network the layers that the authors renamed, which therefore start anew


def copy_ancestor(source: Any, model: nn.Module) -> None:
    """Copy the trained networks of an ancestor, without the layers that SPColor has new.

    Args:
        source: A model of Zhang et al. 2019 of the same widths and features.
        model: A `Chen2023`.

    Raises:
        ColorzooError: The source has other networks.
    """
    for part, new in _NEW.items():
        own = model.get_submodule(part)
        theirs = getattr(source, part, None)
        taken = {} if theirs is None else _without(theirs.state_dict(), new)
        kept = own.state_dict()
        if taken.keys() != _without(kept, new).keys() or any(
            taken[key].shape != kept[key].shape for key in taken
        ):
            raise ColorzooError(
                f"start does not fit: its {part} is another; it must be a model of Zhang et al. 2019 with "
                "the same features and widths."
            )
        own.load_state_dict({**kept, **taken})


def _without(state: dict[str, Any], new: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.startswith(new)}
