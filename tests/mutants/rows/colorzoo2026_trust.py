"""colorzoo2026: the trust of a reference."""

from mutation import Mutant

REFERENCES = "zoo/colorzoo2026/references.py"
ON_TRUST = ("tests/zoo/test_colorzoo2026_trust.py",)
MEASURES = ("best-match", "mean-match", "mean-match-of-the-reference", "spread", "variance")
FACTORS = ("4.73", "26.47", "16.36", "-0.43", "0.97")
CENTERS = ("0.85", "0.85", "0.85", "-4.9", "-3.0")


def without(number: int, name: str, values: tuple[str, ...], other: str) -> tuple[str, str]:
    """Return the line of a constant, and the line with another value for one of its numbers."""
    changed = (*values[:number], other, *values[number + 1 :])
    return f"{name} = ({', '.join(values)})", f"{name} = ({', '.join(changed)})"


MUTANTS = (
    *(
        Mutant(f"trust-without-{each}", REFERENCES, *without(i, "_FACTORS", FACTORS, "0.0"), ON_TRUST)
        for i, each in enumerate(MEASURES)
    ),
    *(
        Mutant(f"trust-center-of-{each}", REFERENCES, *without(i, "_CENTERS", CENTERS, "0.5"), ON_TRUST)
        for i, each in enumerate(MEASURES)
    ),
    Mutant("trust-without-bias", REFERENCES, "_BIAS = -3.29", "_BIAS = 0.0", ON_TRUST),
    Mutant("trust-without-strength", REFERENCES, "STRENGTH = 2.5", "STRENGTH = 0.0", ON_TRUST),
    Mutant("trust-temperature", REFERENCES, "_TEMPERATURE = 0.02", "_TEMPERATURE = 0.04", ON_TRUST),
    Mutant("trust-least-variance", REFERENCES, "_LEAST = 1e-3", "_LEAST = 2e-3", ON_TRUST),
    Mutant(
        "trust-mean-over-the-wrong-side",
        REFERENCES,
        "_mean(similarity.amax(1), comparable.any(1))",
        "_mean(best, known)",
        ON_TRUST,
    ),
)
