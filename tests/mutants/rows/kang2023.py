"""The training step and the networks of Kang et al. 2023."""

from mutation import Mutant

ZOO = "zoo/kang2023/"
STEP = ("tests/steps/test_kang2023.py",)
BLOCKS = ("tests/networks/test_spectral.py",)

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
        "zoo/kang2023/task.py",
        "(1 - colorfulness_of(rgb)).mean()",
        "(1 - colorfulness_of(rgb)).sum()",
        STEP,
    ),
    Mutant(
        "kang2023-colorfulness-signed", "zoo/kang2023/task.py", "(red - green).abs()", "(red - green)", STEP
    ),
    Mutant(
        "kang2023-vgg-after-norm",
        "zoo/kang2023/task.py",
        "_LAYERS = (0, 7, 14, 24, 34)",
        "_LAYERS = (1, 8, 15, 25, 34)",
        STEP,
    ),
    Mutant(
        "kang2023-fake-before-real",
        f"{ZOO}task.py",
        "return adversarial_loss(real, real=True) + adversarial_loss(fake, real=False)",
        "return adversarial_loss(real, real=True) + adversarial_loss(real, real=False)",
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
        "networks/spectral.py",
        "if self.training else",
        "if True else",
        BLOCKS,
    ),
    Mutant(
        "stored-attention-over-the-asked",
        "networks/spectral.py",
        "@ key, dim=1)",
        "@ key, dim=2)",
        BLOCKS,
    ),
    Mutant(
        "shuffle-blurs-right",
        "networks/spectral.py",
        "F.pad(x, (1, 0, 1, 0)",
        "F.pad(x, (0, 1, 0, 1)",
        BLOCKS,
    ),
)
