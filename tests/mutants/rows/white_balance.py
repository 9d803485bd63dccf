"""White balance of training pictures."""

from mutation import Mutant

FILE, TESTS = "data/white_balance.py", ("tests/data/test_white_balance.py",)

MUTANTS = (
    Mutant("casts-stay", FILE, "chosen = (chance < share)", "chosen = (chance < 0)", TESTS),
    Mutant("all-casts-go", FILE, "chosen = (chance < share)", "chosen = (chance < 1)", TESTS),
    Mutant("cool-casts-go", FILE, "(mean[:, 1] >= _WARM)", "(mean[:, 1] >= -9)", TESTS),
    Mutant("two-hues-balanced", FILE, "_ONE_HUE = 0.88", "_ONE_HUE = 0.0", TESTS),
    Mutant("casts-go-wholly", FILE, "_LEAST = 0.4", "_LEAST = 1.0", TESTS),
    Mutant("casts-go-hardly", FILE, "_LEAST = 0.4", "_LEAST = 0.0", TESTS),
    Mutant("highlights-clipped", FILE, ".values.clamp(min=1)", ".values.clamp(min=1, max=1)", TESTS),
    Mutant(
        "balance-is-never-called",
        "data/module.py",
        "if self.hparams.balanced:",
        "if self.hparams.balanced > 1:",
        TESTS,
    ),
)
