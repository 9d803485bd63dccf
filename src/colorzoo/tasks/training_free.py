"""The base of methods that have nothing to train: baselines that every table compares with."""

from __future__ import annotations

from typing import Any, NoReturn

from colorzoo.errors import ColorzooError
from colorzoo.tasks.base import ColorizationModule


class TrainingFreeModule(ColorizationModule):
    """Base of the algorithms: validated, tested and used like every model, but never trained.

    Its card declares the limit ``"training"``. Subclasses build ``self.network`` without weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trained = True

    def training_step(self, *_: Any) -> NoReturn:
        """Refuse.

        Raises:
            ColorzooError: Always.
        """
        raise ColorzooError(
            f"{type(self).__name__} has nothing to train; measure it with `colorzoo validate` or `test`, "
            "or choose a model with weights (`colorzoo models`)."
        )

    def configure_optimizers(self) -> NoReturn:
        """Refuse, which is what a Trainer asks for first.

        Raises:
            ColorzooError: Always.
        """
        self.training_step()
