"""Training steps of SPColor (Chen et al. 2023) and Zhang et al. 2019."""

from mutation import Mutant

SHARED, TASK = "training/exemplar.py", "zoo/chen2023/task.py"
TRAINING = "tests/zoo/test_exemplar_training.py"
STEP_2019 = ("tests/zoo/test_zhang2019_step.py",)
PROCESSES = ("tests/losses/test_losses_in_processes.py",)
STEP = ("tests/zoo/test_chen2023_step.py::test_the_step_is_the_papers",)
RATES = ("tests/zoo/test_exemplar_training.py::test_the_correspondence_network_moves_at_its_own_rate",)
SEGMENTER = ("tests/zoo/test_chen2023_step.py::test_the_segmenter_sees_the_target_gray_without_noise",)

MUTANTS = (
    Mutant(
        "chen2023-noise-off",
        TASK,
        'batch["seed"], self.simulation.lightness_noise)',
        'batch["seed"], 0.0)',
        STEP,
    ),
    Mutant("chen2023-segmenter-sees-colors", TASK, "else lightness_to_rgb(lightness)", "else rgb", SEGMENTER),
    Mutant("exemplar-matching-rate-ignored", SHARED, '{"lr": self.matching_lr}', "{}", RATES),
    Mutant(
        "exemplar-noise-halved",
        SHARED,
        "lightness + deviation * torch",
        "lightness + 0.5 * deviation * torch",
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
    Mutant("exemplar-contextual-upside-down", SHARED, "(2.0, 4.0, 8.0)", "(8.0, 4.0, 2.0)", STEP),
    Mutant(
        "exemplar-discriminator-deceived",
        SHARED,
        "return relativistic_loss(real, fake)",
        "return relativistic_loss(fake, real)",
        STEP,
    ),
    Mutant(
        "exemplar-warp-loss-of-all-references",
        SHARED,
        "painted.warped.matched.float() * painted.self_referenced",
        "painted.warped.matched.float() * torch.ones_like(painted.self_referenced)",
        STEP,
    ),
    Mutant(
        "exemplar-random-vgg19-trains",
        SHARED,
        "if self.missing_weights and not self.trained",
        "if not self.missing_weights and not self.trained",
        (f"{TRAINING}::test_random_vgg19_is_not_trained_over",),
    ),
    Mutant(
        "exemplar-sums-of-one-process",
        "losses/exemplar.py",
        "total: Tensor = all_reduce(values)",
        "total = values",
        PROCESSES,
    ),
    Mutant(
        "spcolor-segmenter-sees-noise",
        TASK,
        "noisy = self.model.features.of_lightness(lightness)",
        "pass",
        SEGMENTER,
    ),
    Mutant(
        "spcolor-segmenter-never-sees-color",
        TASK,
        'rgb if self.model.segmentation.segmented_target == "color" else lightness_to_rgb(lightness)',
        "lightness_to_rgb(lightness)",
        ("tests/zoo/test_chen2023_step.py::test_the_published_code_shows_the_segmenter_the_colored_target",),
    ),
    Mutant(
        "spcolor-tau-ignored",
        "zoo/chen2023/model.py",
        "classes, self.architecture.tau)",
        "classes, 0.01)",
        STEP,
    ),
    Mutant(
        "spcolor-reference-never-hidden",
        "zoo/chen2023/extensions.py",
        "uniform[:, 1] < extensions.without_reference",
        "uniform[:, 1] < 0",
        ("tests/zoo/test_chen2023.py::test_hiding_classes_hides_them_everywhere_in_a_picture",),
    ),
    Mutant(
        "spcolor-keeps-the-ancestors-matching",
        TASK,
        '("theta.", "phi.")',
        '("phi.",)',
        (f"{TRAINING}::test_spcolor_starts_from_its_ancestor_but_for_the_layers_that_it_has_new",),
    ),
    Mutant(
        "zhang2019-discriminator-sees-no-previous-frame",
        "zoo/zhang2019/task.py",
        'torch.cat([lab, painted.extras["previous"]], dim=1)',
        "torch.cat([lab, lab], dim=1)",
        STEP_2019,
    ),
    Mutant(
        "zhang2019-trains-with-the-tau-of-use",
        "zoo/zhang2019/task.py",
        "tau = model.architecture.training_tau",
        "tau = model.architecture.tau",
        STEP_2019,
    ),
    Mutant(
        "zhang2019-always-a-first-frame",
        "zoo/zhang2019/task.py",
        "uniform[:, 2] < share",
        "uniform[:, 2] < 0",
        ("tests/zoo/test_zhang2019.py::test_previous_frames_of_training_are_the_picture_moved",),
    ),
    Mutant(
        "zhang2019-trusts-every-previous-frame",
        "zoo/zhang2019/task.py",
        "self.simulation.colored, own, lab)",
        "self.simulation.colored, lab, lab)",
        ("tests/zoo/test_zhang2019_step.py::test_a_share_of_previous_frames_has_the_networks_own_colors",),
    ),
)
