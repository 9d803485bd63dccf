"""Shared parts of training: schedules, optimizers, GAN steps, stages."""

from mutation import Mutant

SCHEDULES, OPTIMIZATION = "training/schedules.py", "training/optimization.py"
GAN, SINGLE = "training/gan.py", "training/module.py"
ON_SCHEDULES = ("tests/training/test_schedules.py",)
ON_GAN = "tests/training/test_gan.py"

MUTANTS = (
    Mutant(
        "fit-is-silent-of-broken-packages",
        "cli/main.py",
        "        _find_models()\n        return run_lightning(words)",
        "        return run_lightning(words)",
        ("tests/test_plugins.py::test_a_broken_package_is_named_and_stops_nothing",),
    ),
    Mutant(
        "coco-only-with-boxes",
        "data/coco_stuff.py",
        "        only_with_boxes: bool = False,\n",
        "        only_with_boxes: bool = True,\n",
        ("tests/data/test_modules.py::test_pictures_of_coco_without_boxes_are_left_out_on_request",),
    ),
    Mutant(
        "contract-of-any-metrics",
        "testing/distributed.py",
        "require(found.keys() == wanted.keys(), f",
        "require(True, f",
        ("tests/test_contract.py::test_metrics_of_two_processes_are_those_of_one",),
    ),
    Mutant(
        "quiet-trainer-with-a-summary",
        "testing/trainer.py",
        "enable_model_summary=False",
        "enable_model_summary=True",
        (
            "tests/training/test_console.py"
            "::test_a_quiet_trainer_shows_neither_a_summary_nor_progress_and_saves_nothing",
        ),
    ),
    Mutant(
        "newest-by-name",
        "training/resuming.py",
        "key=_age, reverse=True",
        "reverse=True",
        ("tests/training/test_saving.py::test_the_newest_checkpoint_is_the_latest_whatever_the_names",),
    ),
    Mutant(
        "card-only-of-unknown-models",
        "training/callbacks/run_record.py",
        "None if card is None else",
        "None if card is not None else",
        ("tests/training/test_starts.py::test_loggers_receive_the_run_and_the_card_of_a_model_that_has_one",),
    ),
    Mutant(
        "fault-without-its-file",
        "training/faults.py",
        "error.filename2 or error.filename",
        "error.filename2 and error.filename",
        ("tests/training/test_training_faults.py::test_an_error_of_a_file_names_the_file_and_the_reason",),
    ),
    Mutant("cosine-constant", SCHEDULES, "math.cos(math.pi * step / total)", "1.0", ON_SCHEDULES),
    Mutant(
        "linear-to-one-half",
        SCHEDULES,
        "return 1 - step / total",
        "return 1 - 0.5 * step / total",
        ON_SCHEDULES,
    ),
    Mutant("warm-up-ignored", SCHEDULES, "if step < self.warmup_steps:", "if step < 0:", ON_SCHEDULES),
    Mutant(
        "warm-up-not-taken-off",
        SCHEDULES,
        "self.total_steps - self.warmup_steps)",
        "self.total_steps)",
        ON_SCHEDULES,
    ),
    Mutant("hold-too-short", SCHEDULES, "held = self.hold * total", "held = 0.25 * total", ON_SCHEDULES),
    Mutant(
        "milestone-one-step-late",
        SCHEDULES,
        "bisect_right(self.milestones, self",
        "bisect_right(self.milestones, -1 + self",
        ON_SCHEDULES,
    ),
    Mutant(
        "accumulated-steps-not-counted",
        OPTIMIZATION,
        "num_training_batches / accumulate",
        "num_training_batches",
        ON_SCHEDULES,
    ),
    Mutant("epochs-beat-the-limit", OPTIMIZATION, "else min(steps, limit)", "else steps", ON_SCHEDULES),
    Mutant(
        "biases-decay",
        OPTIMIZATION,
        '"params": others, "weight_decay": 0.0',
        '"params": others',
        ON_SCHEDULES,
    ),
    Mutant("what-is-frozen-is-optimized", OPTIMIZATION, " if p.requires_grad]", "]", ON_SCHEDULES),
    Mutant(
        "schedule-counted-in-epochs",
        SINGLE,
        '"interval": "step"',
        '"interval": "epoch"',
        ("tests/training/test_schedules.py::test_one_optimizer_moves_its_rate_by_steps",),
    ),
    Mutant(
        "optimizer-of-the-configuration-ignored",
        SINGLE,
        'optimization.get("optimizer") or DEFAULT_OPTIMIZER',
        "DEFAULT_OPTIMIZER",
        ("tests/training/test_schedules.py::test_one_optimizer_moves_its_rate_by_steps",),
    ),
    Mutant(
        "gan-schedule-never-moves",
        GAN,
        "            scheduler.step()",
        "            pass",
        (f"{ON_GAN}::test_schedules_of_torch_are_counted_in_steps",),
    ),
    Mutant(
        "gan-clip-ignored",
        GAN,
        "        if self.clip:",
        "        if False:",
        (f"{ON_GAN}::test_clipping_bounds_the_step",),
    ),
    Mutant(
        "gan-accumulation-ignored",
        GAN,
        "(batch_idx + 1) % self.accumulate == 0 or",
        "True or",
        (f"{ON_GAN}::test_accumulation_steps_once_per_group_and_at_the_end",),
    ),
    Mutant(
        "gan-critic-takes-the-painter-s-rate",
        GAN,
        "critic_optimizer or self.make_optimizer",
        "self.make_optimizer",
        (
            f"{ON_GAN}::test_schedules_of_torch_are_counted_in_steps",
            f"{ON_GAN}::test_what_is_not_judged_keeps_its_rate",
        ),
    ),
    Mutant(
        "frozen-layers-keep-training-mode",
        "training/stages.py",
        "layer.training = False",
        "layer.training = True",
        ("tests/training/test_stages.py",),
    ),
    Mutant(
        "stage-leaves-nothing-alone",
        "training/stages.py",
        " and not _matches(name, self.leaves)",
        "",
        ("tests/training/test_stages.py",),
    ),
)
