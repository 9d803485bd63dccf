"""Feature networks of metrics: kept out of checkpoints, never trained, their weights found or asked for."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from colorzoo.errors import WeightsError
from colorzoo.weights import is_offline, load_state_dict_file


class Frozen(nn.Module):
    """Hold a network that is part of a metric: it moves with it, but ``state_dict`` and ``train`` pass it by.

    Copies share the network, which nothing changes: a metric that is copied for several settings needs its
    memory once.

    Args:
        network: Put into evaluation mode; its parameters get no gradient.
        num_features: Length of the vectors it gives, for torchmetrics, which would try it out otherwise.
    """

    def __init__(self, network: nn.Module, num_features: int = 0) -> None:
        super().__init__()
        self.num_features = num_features
        self._hidden = [network.eval().requires_grad_(False)]  # a list, so that torch does not register it

    def forward(self, *arguments: Any) -> Any:
        """Call the network."""
        return self._hidden[0](*arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        del memo
        return Frozen(self._hidden[0], self.num_features)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._hidden[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def published_weights(url: str) -> dict[str, Tensor]:
    """Return a state dict that torch hub keeps, fetching it if it is not there yet.

    Args:
        url: Address whose file name ends with the first digits of its SHA-256, as torch hub's do.

    Raises:
        WeightsError: Not here and not to be had; the message says how to put it there by hand.
    """
    name = url.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        _fetch(url, path)
    return load_state_dict_file(path)


def _fetch(url: str, path: Path) -> None:
    by_hand = f"fetch {url} and put it at {path}, or give a weight file"
    if is_offline():
        raise WeightsError(f"the weights {path.name} are not here and COLORZOO_OFFLINE is set; {by_hand}")
    print(f"colorzoo: fetching {url}", file=sys.stderr)
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=digits and digits[1], progress=sys.stderr.isatty()
        )
    except (OSError, RuntimeError) as error:  # no network, no room; another hash
        raise WeightsError(f"cannot fetch the weights {path.name} ({error}); {by_hand}") from error


def load_by_name(
    network: nn.Module, names: Mapping[str, str], found: Mapping[str, Tensor], what: str
) -> None:
    """Load a part of a state dict that has other names.

    Args:
        network: What is filled.
        names: The network's names -> those in ``found``.
        found: The weights; more than are needed may be there.
        what: The network in words, for errors.

    Raises:
        WeightsError: A name is missing, or a shape does not fit.
    """
    missing = [name for name in names.values() if name not in found]
    if missing:
        raise WeightsError(f"no {missing[0]} in the weights for {what}; expected torchvision's names")
    try:
        network.load_state_dict({key: found[name] for key, name in names.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"the weights do not fit {what}: {reason}") from error
