"""Kim et al. 2021."""

from mutation import Mutant

TASK, EXTENSIONS = "zoo/kim2021/task.py", "zoo/kim2021/extensions.py"
STEP = ("tests/steps/test_kim2021.py",)
ZOO = ("tests/zoo/test_kim2021.py",)

MUTANTS = (
    Mutant("con-negated", TASK, "+ weigh.con_weight * losses.con", "- weigh.con_weight * losses.con", STEP),
    Mutant(
        "con-inside-the-scribble",
        TASK,
        "edge_error(picture, first, 1 - near, kind=kind)",
        "edge_error(picture, first, near, kind=kind)",
        STEP,
    ),
    Mutant(
        "con-to-the-truth",
        TASK,
        "edge_error(picture, first, 1 - near, kind=kind)",
        "edge_error(picture, ab, 1 - near, kind=kind)",
        STEP,
    ),
    Mutant("reg-left-out", TASK, "+ weigh.reg_weight * losses.reg", "+ 0.0 * losses.reg", STEP),
    Mutant(
        "edges-toward-the-first-result",
        TASK,
        "edge = edge_error(picture, ab, near",
        "edge = edge_error(picture, first, near",
        STEP,
    ),
    Mutant(
        "hints-left-out",
        TASK,
        "PointSimulation(none=1 - self.users.hints)",
        "PointSimulation(none=1.0)",
        STEP,
    ),
    Mutant("everybody-draws", TASK, "none=users.empty", "none=0.0", STEP),
    Mutant("relative-ignored", EXTENSIONS, "if relative else", "if False else", ZOO),
)
