"""What a training begins with, and what is recorded of it."""

from mutation import Mutant

BASE, STAGES, TRUNK = "tasks/base.py", "tasks/stages.py", "zoo/zhang2016/trunk.py"
GLOBAL, LOCAL = "zoo/zhang2017/global_task.py", "zoo/zhang2017/start.py"
STARTS = ("tests/training/test_starts.py",)

MUTANTS = (
    Mutant("start-from-random-weights", STAGES, "if not model.trained:", "if False:", STARTS),
    Mutant(
        "train-over-random-weights",
        STAGES,
        'getattr(part, "trained", True) is False',
        "False",
        ("tests/zoo/test_kim2021.py::test_an_add_on_over_random_weights_is_not_trained",),
    ),
    Mutant(
        "loaded-weights-start-anew", BASE, "self.start is not None and not self.trained", "self.start", STARTS
    ),
    Mutant("pictures-not-summed", BASE, "self.provenance.pictures + seen", "seen", STARTS),
    Mutant("trunk-of-one-block", TRUNK, "key.startswith(_SAME)", 'key.startswith("block1.")', STARTS),
    Mutant(
        "branch-speaks-at-once",
        GLOBAL,
        "init.zeros_(self.network.branch",
        "init.ones_(self.network.branch",
        STARTS,
    ),
    Mutant(
        "hints-read-as-lightness",
        LOCAL,
        "copied[_FIRST][:, : target[_FIRST].shape[1]]",
        "copied[_FIRST][:, -target[_FIRST].shape[1] :]",
        STARTS,
    ),
)
