"""Training steps of SPColor (Chen et al. 2023) and Zhang et al. 2019."""

from mutation import Mutant

SHARED, TASK = "tasks/exemplar.py", "zoo/chen2023/task.py"
STEP = ("tests/zoo/test_chen2023_step.py::test_the_step_is_the_papers",)
RATES = ("tests/zoo/test_exemplar_training.py::test_the_correspondence_network_moves_at_its_own_rate",)
SEGMENTER = (
    "tests/zoo/test_chen2023_step.py::test_the_segmenter_sees_the_gray_target_without_noise_and_the_reference_in_color",
)

MUTANTS = (
    Mutant(
        "chen2023-noise-off", TASK, 'batch["seed"], self.simulation.luma_noise)', 'batch["seed"], 0.0)', STEP
    ),
    Mutant("chen2023-segmenter-sees-colors", TASK, "else _gray(luma)", "else rgb", SEGMENTER),
    Mutant("exemplar-matching-rate-ignored", SHARED, '{"lr": self.matching_lr}', "{}", RATES),
    Mutant(
        "exemplar-noise-halved",
        SHARED,
        "luma + deviation * torch",
        "luma + 0.5 * deviation * torch",
        ("tests/zoo/test_exemplar_training.py::test_noise_belongs_to_the_picture", *STEP),
    ),
    Mutant(
        "exemplar-l1-weight-ignored", SHARED, "weigh.l1_weight * self_reference_l1", "self_reference_l1", STEP
    ),
    Mutant("exemplar-smooth-alpha-ignored", SHARED, "alpha=weigh.smooth_alpha", "alpha=10.0", STEP),
    Mutant("exemplar-similarity-ignored", SHARED, "(1.0 if weigh.semantic else 0.0)", "0.0", STEP),
    Mutant(
        "exemplar-scores-swapped",
        SHARED,
        "relativistic_loss(fake, real)",
        "relativistic_loss(real, fake)",
        STEP,
    ),
)
