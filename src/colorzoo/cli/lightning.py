"""``colorzoo fit|validate|test|predict``: LightningCLI in subclass mode over the zoo."""

from __future__ import annotations

from collections.abc import Sequence

VERBS = {
    "fit": "train a model on your data",
    "validate": "measure a checkpoint on the validation pictures",
    "test": "measure a checkpoint on the test pictures",
    "predict": "color the pictures of a data set",
}


def run(argv: Sequence[str]) -> int:
    """Run one of the four verbs; ``argv`` begins with it."""
    from lightning.pytorch import LightningDataModule
    from lightning.pytorch.cli import LightningCLI

    import colorzoo.data  # noqa: F401 - makes short class names known to the parser
    from colorzoo.registry import import_tasks
    from colorzoo.tasks import ColorizationModule

    import_tasks()
    LightningCLI(
        ColorizationModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        parser_kwargs={"parser_mode": "omegaconf"},
        args=list(argv),
    )
    return 0
