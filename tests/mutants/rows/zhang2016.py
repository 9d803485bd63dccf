"""Zhang et al. 2016."""

from mutation import Mutant

TASK, TRUNK = "zoo/zhang2016/task.py", "zoo/zhang2016/trunk.py"
STEP = ("tests/steps/test_zhang2016.py",)

MUTANTS = (
    Mutant(
        "rebalancing-ignored", TASK, "shares.double(), self.objective.uniform", "shares.double(), 0.5", STEP
    ),
    Mutant("neighbors-ignored", TASK, "neighbors=neighbors)", "neighbors=10)", STEP),
    Mutant(
        "target-of-another-pixel",
        TASK,
        "ab[:, :, ::LOGIT_STRIDE, ::LOGIT_STRIDE]",
        "ab[:, :, 1::LOGIT_STRIDE, 1::LOGIT_STRIDE]",
        STEP,
    ),
    Mutant(
        "trunk-not-copied",
        TRUNK,
        "key.startswith(_SAME)",
        'key.startswith("block1.")',
        ("tests/training/test_starts.py",),
    ),
)
