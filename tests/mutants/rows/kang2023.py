"""The training step and the networks of Kang et al. 2023."""

from mutation import Mutant

ZOO = "zoo/kang2023/"
STEP = ("tests/steps/test_kang2023.py",)
BLOCKS = ("tests/zoo/test_shuffle_block.py",)

MUTANTS = (
    Mutant(
        "kang2023-truth-not-saturated",
        f"{ZOO}task.py",
        "saturate(lab_to_rgb(lab), ",
        "(lambda x, _: x)(lab_to_rgb(lab), ",
        STEP,
    ),
    Mutant(
        "kang2023-colorfulness-summed",
        f"{ZOO}losses.py",
        "(1 - colorfulness_of(rgb)).mean()",
        "(1 - colorfulness_of(rgb)).sum()",
        STEP,
    ),
    Mutant("kang2023-colorfulness-signed", f"{ZOO}losses.py", "(red - green).abs()", "(red - green)", STEP),
    Mutant(
        "kang2023-vgg-after-norm",
        f"{ZOO}losses.py",
        "_LAYERS = (0, 7, 14, 24, 34)",
        "_LAYERS = (1, 8, 15, 25, 34)",
        STEP,
    ),
    Mutant(
        "kang2023-fake-before-real",
        f"{ZOO}task.py",
        "return judged(real, real=True) + judged(fake, real=False)",
        "return judged(real, real=True) + judged(real, real=False)",
        STEP,
    ),
    Mutant("kang2023-weights-ignored", f"{ZOO}task.py", "self.objective.weight(name) * term", "term", STEP),
    Mutant(
        "kang2023-picture-not-refined",
        f"{ZOO}network.py",
        "weight[:, queries:, None, None]",
        "0 * weight[:, queries:, None, None]",
        ("tests/zoo/test_kang2023.py",),
    ),
    Mutant(
        "kang2023-variant-not-told",
        f"{ZOO}published.py",
        "if other != size and",
        "if other == size and",
        ("tests/zoo/test_kang2023.py",),
    ),
    Mutant(
        "stored-spectral-exact-in-evaluation",
        "networks/stored_spectral.py",
        "if self.training else",
        "if True else",
        BLOCKS,
    ),
    Mutant(
        "stored-attention-over-the-asked",
        "networks/stored_spectral.py",
        "@ key, dim=1)",
        "@ key, dim=2)",
        BLOCKS,
    ),
    Mutant(
        "shuffle-blurs-right",
        "networks/shuffle_block.py",
        "F.pad(x, (1, 0, 1, 0)",
        "F.pad(x, (0, 1, 0, 1)",
        BLOCKS,
    ),
)
