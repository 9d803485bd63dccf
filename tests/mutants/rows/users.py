"""Simulated users."""

from mutation import Mutant

ON_USERS = ("tests/users/test_users.py",)

MUTANTS = (
    Mutant("user-clicks-where-it-clicked", "users/points.py", "error * (1 - given.mask)", "error", ON_USERS),
    Mutant(
        "user-clicks-the-best",
        "users/points.py",
        "means.flatten().argmax()",
        "means.flatten().argmin()",
        ON_USERS,
    ),
    Mutant(
        "user-has-another-color",
        "users/regions.py",
        "scene.rgb, proposed.given",
        "1 - scene.rgb, proposed.given",
        ON_USERS,
    ),
    Mutant("user-scribbles-the-least-first", "users/bled_edges.py", "run: -float(", "run: float(", ON_USERS),
    Mutant("user-scribbles-what-is-there", "users/bled_edges.py", "LOST_SHARE * true", "-1 * true", ON_USERS),
    Mutant(
        "user-forgets-the-background",
        "users/session.py",
        "merged(base, given.guidance)",
        "given.guidance",
        ON_USERS,
    ),
)
