"""Xia et al. 2022."""

from mutation import Mutant

FOLDER = "zoo/xia2022"
TASK, MODEL, ANCHORS = (f"{FOLDER}/{name}.py" for name in ("task", "model", "anchors"))
STEPS, ZOO = "tests/steps/test_xia2022.py", "tests/zoo/test_xia2022.py"
COLORS = (f"{STEPS}::test_the_colors_are_compared_as_the_authors_do",)
SUPERPIXELS = (f"{STEPS}::test_superpixels_are_compared_with_their_means",)
SEEDS = (f"{STEPS}::test_anchors_are_drawn_by_the_pictures_seed",)
POINTS = (f"{ZOO}::test_a_point_replaces_the_anchor_of_its_cluster",)

MUTANTS = (
    Mutant("disco-weights-change-the-value", TASK, "with_weighted_gradient(losses, ", "(losses * ", COLORS),
    Mutant(
        "disco-prediction-detached",
        TASK,
        "(vgg.maps(found, TAPS), true)",
        "(vgg.maps(found.detach(), TAPS), true)",
        COLORS,
    ),
    Mutant("disco-colorfulness-ignored", TASK, "1 - self.objective.colorfulness", "0.5", COLORS),
    Mutant(
        "disco-perceptual-weight-ignored",
        TASK,
        "self.objective.perceptual_weight * likeness",
        "likeness",
        COLORS,
    ),
    Mutant("disco-places-in-pixels", TASK, "off(places) / CELL", "off(places)", SUPERPIXELS),
    Mutant(
        "disco-starts-of-the-batch",
        TASK,
        'batch["seed"], "anchors"',
        'torch.arange(len(lab)), "anchors"',
        SEEDS,
    ),
    Mutant("disco-any-member", ANCHORS, "_SIZE_WEIGHT * sizes", "0 * sizes", SEEDS),
    Mutant("disco-own-anchors-stay", MODEL, "(anchors & ~answered) | held", "anchors | held", POINTS),
    Mutant("disco-sum-of-points", MODEL, "torch.where(share > 0, share, 1.0)", "1.0", POINTS),
)
