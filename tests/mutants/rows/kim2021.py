"""The training step of Kim et al. 2021, with the extensions of the shipped configurations."""

from mutation import Mutant

TASK, EXTENSIONS, NETWORK, EDGES = (
    *(f"zoo/kim2021/{name}.py" for name in ("task", "extensions", "network")),
    "losses/edges.py",
)
TEST = "tests/steps/test_kim2021.py::test_the_step_is_the_sum_of_five_losses"
STEP = (TEST,)
SMALL = (f"{TEST}[small.yaml-as shipped]",)
LIGHT = (f"{TEST}[zhang2016_small.yaml-as shipped]",)  # which reads lightness
DRAWN = ("tests/zoo/test_kim2021.py::test_colors_are_drawn_from_beyond_the_stroke_on_their_own_side",)

MUTANTS = (
    *(
        Mutant(f"kim2021-{name}", TASK, old, new, STEP)
        for name, old, new in (
            ("con-negated", "+ weigh.con_weight * losses.con", "- weigh.con_weight * losses.con"),
            ("reg-left-out", "+ weigh.reg_weight * losses.reg", "+ 0 * losses.reg"),
            ("con-inside-the-strokes", "first, 1 - near, kind", "first, near, kind"),
            ("edge-of-the-first-result", "edge_error(picture, ab, near", "edge_error(first, ab, near"),
            ("no-points", "none=1 - self.users.hints", "none=1"),
        )
    ),
    Mutant(
        "kim2021-tap-scale-ignored",
        "zoo/kim2021/model.py",
        "activation + tap.scale * residual",
        "activation + residual",
        STEP,
    ),
    *(
        Mutant(f"kim2021-{name}", file, old, new, SMALL)
        for file, rows in {
            TASK: (
                ("no-color-term", "+ ours.color_weight * losses.color", "+ 0 * losses.color"),
                ("no-band-beside-the-strokes", "widened(drawn, ours.edge_band)", "drawn"),
                ("edge-absolute", "(edge * weight).mean()", "edge.mean()"),
                ("con-absolute", "(con * weight).mean()", "con.mean()"),
                ("relative-to-the-result", "lost = edge_error(first, ab", "lost = edge_error(picture, ab"),
                ("relative-ignored", "picture_weights(lost, ours.relative)", "picture_weights(lost, False)"),
                ("colors-absolute", "ab, first, near, ours.relative)", "ab, first, near, False)"),
                ("reg-not-squared", "change.float().square()", "change.float().abs()"),
                ("strokes-ignored", "most=users.strokes", "most=1"),
                ("jitter-ignored", "jitter=users.jitter", "jitter=0.0"),
                ("lost-ignored", "lost=users.lost", "lost=1.0"),
            ),
            EXTENSIONS: (
                ("step-of-the-positions", "STEP = 3", "STEP = 4"),
                ("avoid-ignored", "1 - self.avoid.sigmoid() * scribbles", "torch.ones_like(scribbles)"),
                ("gain-of-propagation", "_GAIN = 20.0", "_GAIN = 10.0"),
                ("scale-of-what-is-believed", "_AB_SCALE = 110.0", "_AB_SCALE = 55.0"),
                ("error-of-a-sound-picture", "_SOUND = 2e-4", "_SOUND = 4e-4"),
                ("positions-in-a-square", "row * row + column * column > self.radius**2", "False"),
                ("likeness-not-halved", "torch.exp(-apart / 2)", "torch.exp(-apart)"),
                ("trust-of-the-pixel-itself", "alike * other[:, channels : channels + 1]", "alike * trust"),
                (
                    "colors-relative-to-the-result",
                    "color_error(first, truth, near), ",
                    "color_error(found, truth, near), ",
                ),
                ("hold-near-the-strokes", "first, 1 - near) * weight", "first, near) * weight"),
            ),
            NETWORK: (
                ("gain-of-the-branches", "GAIN = 0.1", "GAIN = 0.2"),
                (
                    "reach-ignored",
                    "if self.reach is None:\n            return scr",
                    "if True:\n            return scr",
                ),
                (
                    "reach-fades-nowhere",
                    "flat, ramp = reach - reach // 2, reach // 2",
                    "flat, ramp = reach, 0",
                ),
                ("propagation-everywhere", "ab + window * self.propagation(ab,", "ab + self.propagation(ab,"),
                ("propagation-left-out", "if self.propagation is None:", "if True:"),
                ("strokes-by-their-mean", "scribbles, stride, size, F.max", "scribbles, stride, size, F.avg"),
            ),
            EDGES: (
                ("scale-of-ab", "AB_SCALE = 110.0", "AB_SCALE = 100.0"),
                (
                    "band-of-half",
                    "2 * reach + 1, stride=1, padding=reach)",
                    "reach + 1, stride=1, padding=reach // 2)",
                ),
            ),
        }.items()
        for name, old, new in rows
    ),
    Mutant(
        "kim2021-lightness-unread",
        NETWORK,
        "beside.append(_pooled((lightness - 50)",
        "beside.append(_pooled((0 * lightness)",
        LIGHT,
    ),
    Mutant(
        "kim2021-no-hold-term",
        TASK,
        "+ ours.hold_weight * losses.hold",
        "+ 0 * losses.hold",
        (f"{TEST}[small.yaml-hints, hold_weight]",),
    ),
    Mutant("kim2021-first-avoid", EXTENSIONS, "_AVOID = 2.2", "_AVOID = 1.2", DRAWN),
    Mutant("kim2021-first-likeness", EXTENSIONS, "_ALIKE = 6.0", "_ALIKE = 9.0", DRAWN),
    Mutant("kim2021-lightness-not-centered", NETWORK, "(lightness - 50) / 100", "lightness / 100", LIGHT),
)
