"""Simulated guidance of training: points, pseudo-scribbles, references made from the picture."""

from mutation import Mutant

POINTS, SCRIBBLES, REFERENCES = (
    "simulation/points.py",
    "simulation/scribbles.py",
    "data/self_references.py",
)
ON_POINTS = ("tests/simulation/test_points.py",)
ON_SCRIBBLES = ("tests/simulation/test_scribbles.py",)
ON_REFERENCES = ("tests/data/test_self_references.py",)

MUTANTS = (
    Mutant(
        "points-one-more",
        POINTS,
        "simulation.stop_probability)).floor()",
        "simulation.stop_probability)).ceil()",
        ON_POINTS,
    ),
    Mutant("points-never-none", POINTS, "draws[:, 4] < simulation.none", "draws[:, 4] < 0", ON_POINTS),
    Mutant("points-many-ignored", POINTS, "draws[:, 2] < simulation.many", "draws[:, 2] < 0", ON_POINTS),
    Mutant(
        "points-never-all", POINTS, "picture[:, 3] < simulation.reveal_all", "picture[:, 3] < 0", ON_POINTS
    ),
    Mutant("points-never-everywhere", POINTS, "None] < simulation.everywhere", "None] < 0", ON_POINTS),
    Mutant("points-anywhere", POINTS, "(free + 1) * simulation.spread", "(free + 1)", ON_POINTS),
    Mutant(
        "points-side-ignored",
        POINTS,
        "min(simulation.max_side, height, width)",
        "min(9, height, width)",
        ON_POINTS,
    ),
    Mutant("points-mean-of-a-row", POINTS, "side.unsqueeze(1).square()", "side.unsqueeze(1)", ON_POINTS),
    Mutant("points-of-invalid-patches", POINTS, "inside & valid[..., None, None]", "inside", ON_POINTS),
    Mutant(
        "points-lightness-of-b",
        POINTS,
        "torch.where(reveal, ab[:, :1]",
        "torch.where(reveal, ab[:, 2:]",
        ON_POINTS,
    ),
    Mutant("uniform-points-fewer", POINTS, "height - side + 1, width - side + 1", "1, 1", ON_POINTS),
    Mutant("scribbles-lost-ignored", SCRIBBLES, "simulation.lost * strength", "0 * strength", ON_SCRIBBLES),
    Mutant(
        "scribbles-seed-anywhere",
        SCRIBBLES,
        "torch.where(none, strength, lost) * edges",
        "edges",
        ON_SCRIBBLES,
    ),
    Mutant("scribbles-short-ones-kept", SCRIBBLES, ">= s.shortest", ">= 0", ON_SCRIBBLES),
    Mutant(
        "scribbles-one-width", SCRIBBLES, "(draws * len(widths)).long()", "(draws * 0).long()", ON_SCRIBBLES
    ),
    Mutant(
        "scribbles-half-the-reach",
        SCRIBBLES,
        "for _ in range(most):",
        "for _ in range(most // 2):",
        ON_SCRIBBLES,
    ),
    Mutant("scribbles-not-bent", SCRIBBLES, "* jitter\n", "* 0 * jitter\n", ON_SCRIBBLES),
    Mutant(
        "scribbles-always-most", SCRIBBLES, "1 + (picture[:, :1] * strokes).floor()", "strokes", ON_SCRIBBLES
    ),
    Mutant(
        "references-never-mirrored",
        REFERENCES,
        "draws[:, 2] < 0.5, -1.0",
        "draws[:, 2] < 0.5, 1.0",
        ON_REFERENCES,
    ),
    Mutant(
        "references-ratio-ignored",
        REFERENCES,
        "area.sqrt() * stretch, area",
        "area.sqrt(), area",
        ON_REFERENCES,
    ),
    Mutant(
        "references-scale-is-fixed", REFERENCES, "(scale[1] - scale[0]) * draws", "0 * draws", ON_REFERENCES
    ),
    Mutant("references-centered", REFERENCES, "(2 * draws[:, 3:] - 1)", "0", ON_REFERENCES),
    Mutant(
        "references-not-turned",
        REFERENCES,
        "_rotations(degrees * draws",
        "_rotations(0 * draws",
        ON_REFERENCES,
    ),
    Mutant("references-jitter-ignored", REFERENCES, "(warped + shift)", "warped", ON_REFERENCES),
    Mutant(
        "references-half-the-bend", REFERENCES, "2 * bend * (2 * draws", "bend * (2 * draws", ON_REFERENCES
    ),
)
