"""Training steps of Xu et al. 2020."""

from mutation import Mutant

TASK, LOSSES = "zoo/xu2020/task.py", "zoo/xu2020/losses.py"
COLOR = ("tests/steps/test_xu2020.py::test_the_color_step",)

MUTANTS = (
    Mutant("xu2020-hint-loss-off", TASK, "hint_weight=weigh.hint_weight", "hint_weight=0.0", COLOR),
    Mutant("xu2020-hints-weigh-alone", LOSSES, "(1 + hint_weight * mask)", "(hint_weight * mask)", COLOR),
    Mutant("xu2020-delta-ignored", TASK, "delta=weigh.delta)", "delta=9.0 * weigh.delta)", COLOR),
    Mutant(
        "xu2020-perceptual-off",
        TASK,
        "weigh.perceptual_weight * perceptual",
        "0 * perceptual",
        ("tests/steps/test_xu2020.py::test_the_decoder_step",),
    ),
)
