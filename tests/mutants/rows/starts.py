"""Starting weights of training, and their provenance."""

from mutation import Mutant

BASE, STAGES = "training/module.py", "training/stages.py"
ZHANG2016, ZHANG2017 = "zoo/zhang2016/task.py", "zoo/zhang2017/task.py"
STARTS = ("tests/training/test_starts.py",)

MUTANTS = (
    Mutant("start-from-random-weights", "factory.py", "if not model.trained:", "if False:", STARTS),
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
    Mutant(
        "trunk-of-one-block",
        ZHANG2016,
        "key.startswith(_SAME)",
        'key.startswith("block1.")',
        STARTS,
    ),
    Mutant(
        "branch-speaks-at-once",
        ZHANG2017,
        "init.zeros_(self.model.network.branch",
        "init.ones_(self.model.network.branch",
        STARTS,
    ),
    Mutant(
        "hints-read-as-lightness",
        ZHANG2017,
        "copied[_FIRST][:, : target[_FIRST].shape[1]]",
        "copied[_FIRST][:, -target[_FIRST].shape[1] :]",
        STARTS,
    ),
)
