"""Callbacks of training."""

from mutation import Mutant

RESUME = "tests/training/test_resume.py"
CONFIGS = "tests/training/test_configs.py"
PROCESSES = "tests/training/test_processes.py"
INTERRUPTION = "tests/training/test_interruption.py"
SIGNALS = "training/callbacks/signal_checkpoint.py"
GRID = "tests/training/test_picture_grid.py"

MUTANTS = (
    Mutant(
        "step-seed-alike-in-processes",
        "training/callbacks/step_seed.py",
        "* _STRIDE + trainer.global_rank",
        "* _STRIDE",
        (f"{PROCESSES}::test_training_shares_the_samples_out",),
    ),
    Mutant(
        "guard-lets-nan-pass",
        "training/callbacks/guards.py",
        "torch.isfinite(step.loss).all()",
        "torch.isfinite(step.loss).numel()",
        (f"{RESUME}::test_a_non_finite_loss_stops_before_the_weights_and_names_the_batch",),
    ),
    Mutant(
        "averages-dropped-in-silence",
        "training/callbacks/guards.py",
        "and not averaging",
        "and False",
        (f"{RESUME}::test_averaged_weights_without_their_callback_are_refused",),
    ),
    Mutant(
        "grid-paints-sanity-checks",
        "training/callbacks/picture_grid.py",
        "not trainer.sanity_checking",
        "True",
        (f"{GRID}::test_sanity_checks_paint_nothing",),
    ),
    Mutant(
        "grid-forgets-the-last",
        "training/callbacks/picture_grid.py",
        " or is_last:",
        ":",
        (f"{CONFIGS}::test_a_configuration_trains_two_steps_on_photos[zhang2016/small.yaml]",),
    ),
    Mutant(
        "grid-of-every-process",
        "training/callbacks/picture_grid.py",
        "paints and trainer.is_global_zero",
        "paints",
        (f"{GRID}::test_the_first_process_alone_paints",),
    ),
    Mutant(
        "interrupted-inside-accumulation",
        SIGNALS,
        "if _ends_step(trainer, pl_module, batch_idx):",
        "if True:",
        (f"{INTERRUPTION}::test_accumulated_gradients_are_not_lost",),
    ),
    Mutant(
        "signal-of-one-process-unheard",
        SIGNALS,
        "op=distributed.ReduceOp.MAX",
        "op=distributed.ReduceOp.MIN",
        (f"{INTERRUPTION}::test_a_signal_to_one_process_ends_both_together",),
    ),
    Mutant(
        "saved-before-the-validation",
        SIGNALS,
        "if self._agreed and not validates_next(trainer):",
        "if self._agreed:",
        (f"{INTERRUPTION}::test_a_run_ended_in_any_batch_equals_the_whole_run",),
    ),
    Mutant(
        "one-exit-code-for-all",
        SIGNALS,
        "_INTERRUPTED if interrupted else TERMINATED",
        "TERMINATED",
        (f"{INTERRUPTION}::test_a_run_ended_in_any_batch_equals_the_whole_run",),
    ),
    Mutant(
        "second-ctrl-c-ignored",
        SIGNALS,
        "number == signal.SIGINT and self._alone and self._flag:",
        "False:",
        (f"{INTERRUPTION}::test_a_second_ctrl_c_ends_the_run_at_once",),
    ),
    Mutant(
        "statistics-of-the-failed-step-kept",
        SIGNALS,
        "                buffer.copy_(copy)\n            pl_module",
        "                pass\n            pl_module",
        (f"{INTERRUPTION}::test_an_error_in_a_step_saves_the_state_before_it",),
    ),
    Mutant(
        "earlier-best-forgotten",
        "training/callbacks/checkpoints.py",
        '"best_k_models": kept, "dirpath": self.dirpath}',
        '"best_k_models": kept}',
        ("tests/training/test_checkpoints.py::test_a_resumed_run_remembers_the_earlier_best",),
    ),
    Mutant(
        "last-step-not-saved",
        "training/callbacks/checkpoints.py",
        "% self._every_n_train_steps == 0 or _ends(trainer)",
        "% self._every_n_train_steps == 0",
        ("tests/training/test_checkpoints.py::test_the_last_step_is_saved_as_it_was_trained",),
    ),
    Mutant(
        "losses-of-the-first-process",
        "training/module.py",
        "batch_size=pictures, sync_dist=True)",
        "batch_size=pictures)",
        (f"{PROCESSES}::test_logged_losses_are_the_means_over_processes",),
    ),
    Mutant(
        "rows-of-repeated-steps-kept",
        "training/loggers.py",
        'int(row["step"]) < step',
        "True",
        ("tests/training/test_console.py::test_rows_of_steps_that_are_taken_again_are_replaced",),
    ),
)
