"""Lee et al. 2020."""

from mutation import Mutant

TASK, NETWORK, LOSSES = "zoo/lee2020/task.py", "zoo/lee2020/network.py", "losses/exemplar.py"
LOSS = ("tests/steps/test_lee2020.py::test_both_losses",)
ORDER = ("tests/steps/test_lee2020.py::test_the_discriminator_steps_first_and_the_generator_sees_its_step",)
ZOO = "tests/zoo/test_lee2020.py"
PLACES = (f"{ZOO}::test_a_place_corresponds_to_where_its_colors_went",)
REFERENCES = (f"{ZOO}::test_references_belong_to_their_pictures",)

MUTANTS = (
    Mutant(
        "scft-checks-want-a-vgg19",
        "zoo/lee2020/card.py",
        '"style_weight": 0.0',
        '"style_weight": 1.0',
        (f"{ZOO}::test_the_model_of_the_checks_trains_without_a_vgg19",),
    ),
    Mutant("scft-reconstruction-halved", TASK, "2 * (painted.rgb - extras", "(painted.rgb - extras", LOSS),
    Mutant("scft-weights-ignored", TASK, "self.objective.weight(name) * term", "term", LOSS),
    Mutant(
        "scft-pictures-in-01-for-vgg", TASK, "self.vgg(2 * painted.rgb - 1)", "self.vgg(painted.rgb)", LOSS
    ),
    Mutant("scft-gram-not-a-mean", LOSSES, "rows @ rows.mT / rows[0].numel()", "rows @ rows.mT", LOSS),
    Mutant("scft-negative-is-positive", TASK, "key.gather(1, index[1])", "key.gather(1, index[0])", LOSS),
    Mutant("scft-margin-ignored", LOSSES, "F.relu(difference + margin)", "F.relu(difference)", LOSS),
    Mutant("scft-similarity-not-scaled", LOSSES, " / math.sqrt(query.shape[2])", "", LOSS),
    Mutant(
        "scft-absent-places-count",
        LOSSES,
        "F.relu(difference + margin) * present",
        "F.relu(difference + margin)",
        LOSS,
    ),
    Mutant(
        "scft-critic-sees-the-original",
        TASK,
        'self._scores(sketch, painted.extras["target"])',
        'self._scores(sketch, batch["rgb"])',
        LOSS,
    ),
    Mutant(
        "scft-painted-once",
        TASK,
        "return self.paint(batch)",
        "return painted.detach()",
        ORDER,
    ),
    Mutant("scft-correspondence-the-other-way", TASK, "distance.min(dim=2)", "distance.min(dim=1)", PLACES),
    Mutant("scft-every-place-has-a-partner", TASK, "(nearest.values < 1)", "(nearest.values >= 0)", PLACES),
    Mutant("scft-negative-may-be-positive", TASK, "positive + 1 + ", "positive + ", REFERENCES),
    Mutant(
        "scft-one-shift-for-all-channels",
        TASK,
        "(2 * shifts - 1)",
        "(2 * shifts.mean(1, keepdim=True) - 1)",
        REFERENCES,
    ),
    Mutant(
        "scft-target-keeps-its-colors",
        TASK,
        "MadeReference(target, reference",
        "MadeReference(rgb, reference",
        REFERENCES,
    ),
)
