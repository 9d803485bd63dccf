"""``colorzoo fit|validate|test|predict``: LightningCLI in subclass mode over the zoo."""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Sequence

VERBS = {
    "fit": "train a model on your data",
    "validate": "measure a checkpoint on the validation pictures",
    "test": "measure a checkpoint on the test pictures",
    "predict": "color the pictures of a data set at full size, by any number of processes",
}


def run(argv: Sequence[str]) -> int:
    """Run one of the four verbs; ``argv`` begins with it.

    Returns:
        0, or 1 if ``predict`` could not color some of the pictures.

    Raises:
        ColorzooError: An unknown option or value, a missing file, or weights that do not fit.
    """
    from colorzoo.cli._resuming import resolve_checkpoint
    from colorzoo.cli._training_configs import resolve_configs

    words = resolve_checkpoint(resolve_configs(argv))  # first, because it needs no slow import
    from lightning.pytorch import LightningDataModule

    import colorzoo.data  # noqa: F401 - makes short class names known to the parser
    from colorzoo.cli._training_cli import ZooCLI
    from colorzoo.cli._training_errors import explain, explain_load
    from colorzoo.cli._training_quiet import filter_messages
    from colorzoo.cli._training_start import complete_argv
    from colorzoo.registry import import_tasks
    from colorzoo.tasks import ColorizationModule

    import_tasks()
    filter_messages()
    try:
        cli = ZooCLI(
            ColorizationModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={"enable_model_summary": False, "use_distributed_sampler": False},
            parser_kwargs={"parser_mode": "omegaconf", "exit_on_error": False},
            args=complete_argv(words),
        )
    except ArgumentError as error:
        raise explain(str(error)) from error
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        raise explain_load(str(error)) from error
    return cli.exit_code
