"""The training step of Cho et al. 2023."""

from mutation import Mutant

TASK = "zoo/cho2023/task.py"
STEP = ("tests/steps/test_cho2023.py",)

MUTANTS = (
    Mutant(
        "cho2023-reconstruction-halved",
        TASK,
        "2 * (painted.rgb - rgb).abs()",
        "(painted.rgb - rgb).abs()",
        STEP,
    ),
    Mutant(
        "cho2023-judged-by-other-colors-than-given",
        TASK,
        "sketches_of(batch), _truth(batch, painted), painted)",
        'sketches_of(batch), batch["rgb"], painted)',
        ("tests/zoo/test_cho2023_recolor.py",),
    ),
    Mutant(
        "cho2023-recolors-what-nobody-answered",
        "zoo/cho2023/extensions.py",
        "moved = given * (draws",
        "moved = 0 * given + (draws",
        ("tests/zoo/test_cho2023_recolor.py",),
    ),
    Mutant("cho2023-weights-ignored", TASK, "self.objective.weight(name) * term", "term", STEP),
    Mutant(
        "cho2023-tau-constant",
        TASK,
        "(last / first) ** progress",
        "(last / first) ** 0.0",
        ("tests/zoo/test_cho2023.py",),
    ),
    Mutant(
        "cho2023-critic-sees-the-same-draws",
        TASK,
        '_paint_batch(batch, "second")',
        '_paint_batch(batch, "first")',
        STEP,
    ),
    Mutant(
        "cho2023-critic-not-halved", "losses/adversarial.py", "0.5 * (fake.square()", "(fake.square()", STEP
    ),
    Mutant(
        "cho2023-smoothness-one-way",
        TASK,
        'form == "four_l1" else 4',
        'form == "four_l1" else 1',
        STEP,
    ),
)
