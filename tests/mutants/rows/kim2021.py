"""The training step of Kim et al. 2021."""

from mutation import Mutant

TASK = "zoo/kim2021/task.py"
STEP = ("tests/steps/test_kim2021.py",)

MUTANTS = (
    Mutant(
        "kim2021-con-negated",
        TASK,
        "+ weigh.con_weight * losses.con",
        "- weigh.con_weight * losses.con",
        STEP,
    ),
    Mutant("kim2021-reg-left-out", TASK, "+ weigh.reg_weight * losses.reg", "+ 0 * losses.reg", STEP),
    Mutant("kim2021-con-inside-the-strokes", TASK, "first, 1 - near, kind", "first, near, kind", STEP),
    Mutant(
        "kim2021-edge-of-the-first-result",
        TASK,
        "edge_error(picture, ab, near",
        "edge_error(first, ab, near",
        STEP,
    ),
    Mutant(
        "kim2021-tap-scale-ignored",
        "zoo/kim2021/model.py",
        "activation + tap.scale * residual",
        "activation + residual",
        STEP,
    ),
    Mutant("kim2021-no-points", TASK, "none=1 - self.users.hints", "none=1", STEP),
)
