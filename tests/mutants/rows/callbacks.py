"""Callbacks of a training."""

from mutation import Mutant

RESUME = "tests/training/test_resume.py"
CONFIGS = "tests/training/test_configs.py"
PROCESSES = "tests/training/test_processes.py"
GRID = "tests/training/test_picture_grid.py"

MUTANTS = (
    Mutant(
        "step-seed-alike-in-processes",
        "callbacks/step_seed.py",
        "* _STRIDE + trainer.global_rank",
        "* _STRIDE",
        (f"{PROCESSES}::test_training_shares_the_samples_out",),
    ),
    Mutant(
        "guard-lets-nan-pass",
        "callbacks/guards.py",
        "torch.isfinite(loss).all()",
        "torch.isfinite(loss).numel()",
        (f"{RESUME}::test_a_non_finite_loss_stops_before_the_weights_and_names_the_batch",),
    ),
    Mutant(
        "averages-dropped-in-silence",
        "callbacks/guards.py",
        "and not averaging",
        "and False",
        (f"{RESUME}::test_averaged_weights_without_their_callback_are_refused",),
    ),
    Mutant(
        "grid-paints-sanity-checks",
        "callbacks/picture_grid.py",
        "not trainer.sanity_checking",
        "True",
        (f"{GRID}::test_sanity_checks_paint_nothing",),
    ),
    Mutant(
        "grid-forgets-the-last",
        "callbacks/picture_grid.py",
        " or is_last:",
        ":",
        (f"{CONFIGS}::test_a_configuration_trains_two_steps_on_photos[zhang2016/small.yaml]",),
    ),
    Mutant(
        "grid-of-every-process",
        "callbacks/picture_grid.py",
        "paints and trainer.is_global_zero",
        "paints",
        (f"{GRID}::test_the_first_process_alone_paints",),
    ),
)
