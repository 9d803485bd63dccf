"""Training steps of Su et al. 2020."""

from mutation import Mutant

TASK = "zoo/su2020/task.py"
STEP = ("tests/steps/test_su2020.py::test_the_step",)

MUTANTS = (
    Mutant(
        "su2020-instance-crops-skipped",
        TASK,
        "lab = one_thing_each(lab, boxes, batch)",
        "pass",
        ("tests/steps/test_su2020.py",),
    ),
    Mutant("su2020-delta-ignored", TASK, "delta=self.delta)", "delta=9.0 * self.delta)", STEP),
    Mutant("su2020-fusion-without-boxes", TASK, 'if self.stage == "fusion":', "if False:", STEP),
    Mutant(
        "su2020-most-boxes-ignored",
        TASK,
        "given[: self.most_boxes]",
        "given",
        ("tests/zoo/test_su2020.py::test_boxes_of_a_batch_are_shares_and_a_picture_without_is_one_box",),
    ),
)
