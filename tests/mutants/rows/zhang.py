"""Training steps of Zhang et al. 2016 and 2017."""

from mutation import Mutant

CLASSES, LOCAL = "zoo/zhang2016/task.py", "zoo/zhang2017/task.py"
ON_CLASSES = ("tests/steps/test_zhang2016.py",)
ON_LOCAL = ("tests/steps/test_zhang2017.py::test_the_local_step",)
EXTENSIONS = "zoo/zhang2017/extensions.py"
ON_GLOBAL = ("tests/steps/test_zhang2017.py::test_the_global_step",)
ON_STEERED = ("tests/zoo/test_zhang2017_steered.py",)

MUTANTS = (
    Mutant(
        "zhang2017-another-score-of-the-paper",
        "zoo/zhang2017/card.py",
        "24.43,",
        "36.645,",
        ("tests/test_model_pages.py::test_the_scores_of_papers_stand_on_the_page_of_the_model",),
    ),
    Mutant(
        "zhang2016-prior-not-mixed",
        CLASSES,
        "shares.double(), self.objective.uniform",
        "shares.double(), 0.9",
        ON_CLASSES,
    ),
    Mutant("zhang2016-neighbors-ignored", CLASSES, "neighbors=neighbors)", "neighbors=3)", ON_CLASSES),
    Mutant(
        "zhang2017-detach-ignored", LOCAL, "mask), detach=self.detach)", 'mask), detach="none")', ON_LOCAL
    ),
    Mutant(
        "zhang2017-regression-weight-ignored",
        LOCAL,
        "weigh.regression_weight * regression",
        "regression",
        ON_LOCAL,
    ),
    Mutant("zhang2017-no-points", LOCAL, "none=1 - users.hints", "none=1", ON_LOCAL),
    Mutant("zhang2017-delta-ignored", LOCAL, "delta=self.objective.delta)", "delta=9.0)", ON_LOCAL),
    Mutant(
        "zhang2017-histogram-always-hidden",
        LOCAL,
        "draws[:, :1] < users.histogram_share",
        "draws[:, :1] < 0",
        ON_GLOBAL,
    ),
    Mutant(
        "zhang2017-saturation-hidden-as-zero",
        LOCAL,
        "-torch.ones_like(saturation)",
        "torch.zeros_like(saturation)",
        ON_GLOBAL,
    ),
    Mutant(
        "zhang2017-matched-histogram-ignores-what-is-there",
        EXTENSIONS,
        "(histogram + _FAINT) / (found + _FAINT)",
        "(histogram + _FAINT)",
        ON_STEERED,
    ),
    Mutant(
        "zhang2017-saturation-tilted-away",
        EXTENSIONS,
        "expected.mean(dim=2) < saturation",
        "expected.mean(dim=2) > saturation",
        ON_STEERED,
    ),
    Mutant(
        "zhang2017-untold-vector-added",
        EXTENSIONS,
        "self.branch(statistics, lightness.shape[0]) * told[:, :, None, None]",
        "self.branch(statistics, lightness.shape[0])",
        ON_STEERED,
    ),
)
