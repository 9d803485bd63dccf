"""Collection of all contract checks from the modules of this package."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError
from colorzoo.testing.models import ContractError


@dataclass(frozen=True)
class Check:
    """Contract check, called with a model card.

    Examples:
        >>> Check("nothing", lambda card: None)(colorzoo.model_card("gray"))

    Attributes:
        name: Name of the check.
        run: Function that raises `ContractError` if the model fails the check.
        starts_processes: Whether the check starts processes, which takes half of the time of all checks.
    """

    name: str
    run: Callable[[ModelCard], None]
    starts_processes: bool = False

    def __call__(self, card: ModelCard) -> None:
        """Run the check on the model of ``card``.

        Raises:
            ContractError: The model fails the check. The message starts with the name of the model.
        """
        try:
            self.run(card)
        except (ContractError, ColorzooError) as error:
            raise ContractError(f"{card.name}: {error}") from error

    def __str__(self) -> str:
        return self.name


def contract_checks(configs: Path | str | None = None, images: Path | str | None = None) -> list[Check]:
    """Return the checks that every model must pass: the functions ``check_*`` of this package.

    Examples:
        >>> len(contract_checks()) > 10
        True

    Args:
        configs: Folder of training configurations; None selects the search folders of `colorzoo fit`.
        images: Folder of images for the training configurations, with at least six images in ``train`` and
            three in ``val``; None generates random images. A configuration with ``labels: true`` requires
            class folders in ``train`` and ``val``.
    """
    folders = {"configs": configs, "images": images}
    arguments = {name: Path(folder) for name, folder in folders.items() if folder is not None}
    checks: list[Check] = []
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        members = vars(importlib.import_module(f"colorzoo.testing.{module.name}"))
        for name, member in members.items():
            if name.startswith("check_") and inspect.isfunction(member):
                accepted = arguments.keys() & inspect.signature(member).parameters.keys()
                run = partial(member, **{argument: arguments[argument] for argument in accepted})
                starts_processes = module.name == "distributed"
                checks.append(Check(member.__name__.removeprefix("check_"), run, starts_processes))
    return checks
