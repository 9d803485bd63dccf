"""Gorriz Blanch et al. 2021."""

from mutation import Mutant

TASK, ATTENTION = "zoo/blanch2021/task.py", "networks/axial.py"
ZOO = "tests/zoo/test_blanch2021.py"
STEP = (f"{ZOO}::test_the_network_meets_the_new_discriminators",)
LOSSES = ("tests/parity/test_parity.py::test_parity[xcnet_losses]",)

MUTANTS = (
    Mutant(
        "xcnet-critic-not-trained",
        "training/gan.py",
        "self._descend(discriminator, critic_loss, steps=steps, counts=False)",
        "pass",
        STEP,
    ),
    Mutant(
        "xcnet-step-counts-twice",
        "training/gan.py",
        "critic_loss, steps=steps, counts=False)",
        "critic_loss, steps=steps)",
        STEP,
    ),
    Mutant(
        "xcnet-weights-ignored",
        TASK,
        "return weighted_sum(sums, self.objective)",
        "return sum(sums.values())",
        STEP,
    ),
    Mutant(
        "xcnet-network-judged-by-truth",
        TASK,
        "self.judge(painted.painted)",
        "self.judge(painted.truth)",
        LOSSES,
    ),
    Mutant(
        "xcnet-variation-of-colors-alone",
        TASK,
        "total_variation(lab) for lab",
        "total_variation(lab[:, 1:]) for lab",
        LOSSES,
    ),
    Mutant(
        "xcnet-small-scales-judged",
        TASK,
        "_SMALLEST_JUDGED = 24",
        "_SMALLEST_JUDGED = 1",
        (f"{ZOO}::test_scales_that_no_patch_fits_have_no_discriminator",),
    ),
    Mutant(
        "xcnet-offsets-turned",
        ATTENTION,
        "steps[:, None] - steps + self.side",
        "steps - steps[:, None] + self.side",
        (f"{ZOO}::test_offsets_shift_attention",),
    ),
    Mutant(
        "histogram-of-sharp-bins",
        "losses/statistics.py",
        ".clamp(min=0) / _STEP",
        ".clamp(min=0).sign()",
        ("tests/losses/test_statistics_losses.py",),
    ),
    Mutant(
        "variation-not-doubled",
        "losses/statistics.py",
        "return 2 * (down + across)",
        "return down + across",
        ("tests/losses/test_statistics_losses.py",),
    ),
)
