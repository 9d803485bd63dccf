"""Ci et al. 2018."""

from mutation import Mutant

TASK, NETWORK = "zoo/ci2018/task.py", "zoo/ci2018/network.py"
STEPS = "tests/steps/test_ci2018.py"
FULL, SMALL = (f"{STEPS}::test_the_losses_of_the_full_step",), (f"{STEPS}::test_the_step_of_the_small_form",)
CROP = (f"{STEPS}::test_colors_of_hints_come_from_beside_their_places",)
FILE = (f"{STEPS}::test_the_critic_takes_one_size_and_local_features_their_file",)
PARITY = ("tests/parity/test_parity.py::test_parity[ci2018_generator_small]",)

MUTANTS = (
    Mutant("alacgan-drift-of-each-score", TASK, "mean.square(),", "scores.square().mean(),", FULL),
    Mutant(
        "alacgan-penalty-of-whole-pictures",
        TASK,
        "vector_norm(gradient, dim=1)",
        "vector_norm(gradient.flatten(1), dim=1)",
        FULL,
    ),
    Mutant(
        "alacgan-penalty-at-the-fake",
        TASK,
        "torch.lerp(fake, true, share)",
        "torch.lerp(true, fake, share)",
        FULL,
    ),
    Mutant(
        "alacgan-generator-flees-the-critic",
        TASK,
        "-weigh.adversarial_weight * scores",
        "weigh.adversarial_weight * scores",
        FULL,
    ),
    Mutant(
        "alacgan-content-not-normalized", TASK, "self.vgg((rgb - mean) / deviation)", "self.vgg(rgb)", FULL
    ),
    Mutant("alacgan-lines-never-fade", TASK, "_FADED = 0.7", "_FADED = 1.0", FULL),
    Mutant(
        "alacgan-hints-of-the-picture-itself",
        TASK,
        "        for area, aspect, turned, left, top in torch.rand(_TRIES",
        "        for area, aspect, turned, left, top in torch.rand(0",
        CROP,
    ),
    Mutant("alacgan-crops-of-any-side", TASK, "if wide <= width and high <= height:", "if True:", CROP),
    Mutant(
        "alacgan-without-dilation",
        NETWORK,
        "_DILATIONS = (1, 1, 2, 2, 4, 4, 2, 1)",
        "_DILATIONS = (1,)",
        PARITY,
    ),
    Mutant(
        "alacgan-random-local-features",
        TASK,
        "if self.i2v_weights is None:\n            raise",
        "if self.i2v_weights is None:\n            return\n            raise",
        FILE,
    ),
    Mutant(
        "alacgan-small-loss-absolute", TASK, "- picture).square().mean()", "- picture).abs().mean()", SMALL
    ),
)
