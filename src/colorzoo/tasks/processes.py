"""What training in several processes asks of a Trainer."""

from __future__ import annotations

from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from colorzoo.errors import ColorzooError


def prepare_turns(trainer: Trainer) -> None:
    """Make a Trainer ready for two networks that are trained in turn by their own optimizers.

    Each turn leaves the parameters of the other network unused, which DDP must be told, or it fails in the
    second step. Where the user has said something about it, that stays.

    Args:
        trainer: About to fit.

    Raises:
        ColorzooError: Its precision or strategy cannot train them.
    """
    if trainer.precision == "16-mixed":
        raise ColorzooError(
            "precision 16-mixed does not fit a model with a discriminator: clipping would see scaled "
            "gradients; use --trainer.precision bf16-mixed, or 32-true."
        )
    strategy = trainer.strategy
    if isinstance(strategy, DDPStrategy):
        # There is no public way: the wrapper is made after this hook, from these arguments.
        strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
    elif not isinstance(strategy, SingleDeviceStrategy):
        raise ColorzooError(
            f"strategy {type(strategy).__name__} takes one optimizer, and a model with a discriminator "
            "has two; use --trainer.strategy ddp."
        )
