"""Optimizers, schedules, stages and the two training loops."""

from mutation import Mutant

BASE, GAN, SINGLE, STAGES = "tasks/base.py", "tasks/gan.py", "tasks/single.py", "tasks/stages.py"
SCHEDULES, OPTIMIZATION = "tasks/schedules.py", "tasks/optimization.py"
ON_GAN = ("tests/training/test_gan.py",)
ON_STARTS = ("tests/training/test_starts.py",)
ON_RECIPES = ("tests/recipes/test_recipes.py",)
RATES = ("tests/training/test_gan.py::test_rates_fall_from_the_first_step_to_the_last",)

MUTANTS = (
    Mutant("cosine-constant", SCHEDULES, "0.5 * (1 + math.cos(math.pi * step / total))", "1.0", RATES),
    Mutant(
        "linear-by-squares", SCHEDULES, "return 1 - step / total", "return 1 - (step / total) ** 2", ON_GAN
    ),
    Mutant(
        "hold-for-a-third",
        SCHEDULES,
        "half = total / 2",
        "half = total / 3",
        ("tests/recipes/test_recipes.py::test_the_rates",),
    ),
    Mutant("warm-up-left-out", SCHEDULES, "(step + 1) / self.warmup_steps", "1.0", ON_RECIPES),
    Mutant(
        "steps-of-both-optimizers",
        OPTIMIZATION,
        "trainer.max_steps // optimizers",
        "trainer.max_steps",
        ON_GAN,
    ),
    Mutant(
        "accumulation-not-counted",
        OPTIMIZATION,
        "num_training_batches / accumulate",
        "num_training_batches",
        ON_GAN,
    ),
    Mutant(
        "biases-decay", OPTIMIZATION, '"params": others, "weight_decay": 0.0', '"params": others', ON_STARTS
    ),
    Mutant(
        "betas-of-the-configuration-ignored",
        SINGLE,
        "self.make_optimizer, self.make_scheduler = optimizer or DEFAULT_OPTIMIZER, lr_scheduler",
        "self.make_optimizer, self.make_scheduler = DEFAULT_OPTIMIZER, lr_scheduler",
        ("tests/recipes/test_recipes.py::test_the_optimizer",),
    ),
    Mutant(
        "schedule-of-the-configuration-ignored",
        SINGLE,
        "optimizer or DEFAULT_OPTIMIZER, lr_scheduler",
        "optimizer or DEFAULT_OPTIMIZER, None",
        ("tests/recipes/test_recipes.py::test_the_rates",),
    ),
    Mutant(
        "schedule-by-epochs",
        SINGLE,
        '"interval": "step"',
        '"interval": "epoch"',
        ("tests/training/test_optimization.py",),
    ),
    Mutant(
        "discriminator-takes-the-generators-optimizer",
        GAN,
        "discriminator_optimizer or self.make_optimizer",
        "self.make_optimizer",
        ON_GAN,
    ),
    Mutant("clipping-left-out", GAN, "        if self.clip:", "        if False:", ON_GAN),
    Mutant(
        "accumulated-loss-not-divided",
        GAN,
        "self.manual_backward(loss / self.accumulate)",
        "self.manual_backward(loss)",
        ("tests/training/test_gan.py::test_accumulated_gradients_are_a_mean",),
    ),
    Mutant("the-last-group-is-lost", GAN, "== 0 or self.trainer.is_last_batch", "== 0", ON_GAN),
    Mutant("everything-is-trained", STAGES, "if not stage.trained(name):", "if False:", ON_STARTS),
    Mutant(
        "exceptions-are-trained",
        STAGES,
        " and not _matches(name, self.leaves)",
        "",
        ("tests/zoo/test_cho2023.py",),
    ),
    Mutant(
        "frozen-statistics-move", STAGES, "layer.training = False", "pass", ("tests/steps/test_zhang2017.py",)
    ),
    Mutant("random-starts-allowed", STAGES, "if not model.trained:", "if False:", ON_STARTS),
    Mutant(
        "random-backbones-allowed",
        STAGES,
        'getattr(part, "trained", True) is False',
        "False",
        ("tests/zoo/test_kim2021.py",),
    ),
    Mutant(
        "loaded-weights-start-anew",
        BASE,
        "self.start is not None and not self.trained",
        "self.start is not None",
        ON_STARTS,
    ),
    Mutant("pictures-not-counted", BASE, "self.provenance.pictures + seen", "seen", ON_STARTS),
)
