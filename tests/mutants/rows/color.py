"""Bins of the ab plane: targets and weights of the papers that classify."""

from mutation import Mutant

BINS = "color/bins.py"
ON_BINS = ("tests/color/test_bins.py",)

MUTANTS = (
    Mutant("rebalancing-prior-alone", BINS, "(1 - uniform) * prior", "prior", ON_BINS),
    Mutant("rebalancing-not-normed", BINS, "weights / (prior * weights).sum()", "weights", ON_BINS),
    Mutant("rebalancing-upside-down", BINS, "weights = 1 / mixed", "weights = mixed", ON_BINS),
    Mutant(
        "soft-targets-too-sharp",
        BINS,
        "torch.softmax(-nearest / (2 * sigma**2), dim=1)\n\n\n@cache",
        "torch.softmax(-nearest / sigma**2, dim=1)\n\n\n@cache",
        ON_BINS,
    ),
    Mutant("annealing-ignored", BINS, "logits.float() / temperature", "logits.float()", ON_BINS),
    Mutant("grid-rounds-down", BINS, "/ GRID_STEP + 0.5).floor()", "/ GRID_STEP).floor()", ON_BINS),
)
