"""Simulated users."""

from mutation import Mutant

ON_USERS = ("tests/simulation/test_users.py", "tests/simulation/test_scribbles.py")

MUTANTS = (
    Mutant(
        "user-clicks-where-it-clicked", "simulation/points.py", "error * (1 - given.mask)", "error", ON_USERS
    ),
    Mutant(
        "user-clicks-the-best",
        "simulation/points.py",
        "means.flatten().argmax()",
        "means.flatten().argmin()",
        ON_USERS,
    ),
    Mutant(
        "user-has-another-color",
        "simulation/regions.py",
        "target.rgb, proposed.given",
        "1 - target.rgb, proposed.given",
        ON_USERS,
    ),
    Mutant(
        "user-scribbles-the-least-first", "simulation/scribbles.py", "run: -float(", "run: float(", ON_USERS
    ),
    Mutant(
        "user-scribbles-what-is-there", "simulation/scribbles.py", "LOST_SHARE * true", "-1 * true", ON_USERS
    ),
    Mutant(
        "stroke-only-where-half-is-lost",
        "simulation/scribbles.py",
        "    lost: float = 0.3\n",
        "    lost: float = 0.45\n",
        ("tests/simulation/test_scribbles.py::test_an_edge_is_lost_above_the_threshold",),
    ),
    Mutant(
        "user-forgets-the-background",
        "simulation/session.py",
        "merged(base, given.guidance)",
        "given.guidance",
        ON_USERS,
    ),
)
