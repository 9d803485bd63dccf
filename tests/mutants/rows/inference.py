"""The plan of a job, the steps of the plan, and their constants."""

from mutation import Mutant

FRAMES = ("tests/inference/test_frame.py",)

PLAN, JOB, FRAME = (f"inference/{name}.py" for name in ("plan", "job", "frame"))
AREAS, MASKS, POINTS, REACH, CORRECTIONS, STRENGTHS, NETWORK, REPLACING, PAINTING, LIGHTNESS, COLORS = (
    f"inference/steps/{name}.py"
    for name in (
        *("areas", "area_masks", "points", "reach", "point_corrections", "strengths", "network"),
        *("replacing", "painting", "lightness", "colors"),
    )
)

# cases of tests/inference/recipes.py
WITH_POINTS = (
    "alike, points mixed",
    "alike, points small beside a larger one",
    "alike, points near",
    "alike, points weak",
    "alike, points covering",
)
WITH_AREAS = (
    *(
        "alike, area color and points",
        "alike, area two colors",
        "alike, area only as kept",
        "alike, area all",
    ),
    *("kim2021_small, thing", "su2020_small, thing", "hints, area color and points"),
)
WITH_OVERLAYS = ("alike, paint", "alike, replacement", "alike, both over areas and points")
CASES = {
    PLAN: (
        *WITH_POINTS,
        *WITH_AREAS,
        "hints, tensors",
        "alike, area locked",
        "alike, area gray",
        "su2020_small, no boxes",
        "kim2021_small, scribbles",
        "alike, reference by half",
        "alike, statistics and strength",
        "chen2023_small, classes",
        "painter, regions",
    ),
    JOB: (
        "hints, tensors",
        "alike, area all",
        "alike, without color",
        "alike, frame found",
        "alike, frame given",
    ),
    AREAS: (*WITH_AREAS, "alike, area gray", "alike, both over areas and points", "su2020_small, boxes"),
    MASKS: WITH_AREAS,
    POINTS: (*WITH_POINTS, "hints, points mixed", "alike, area color and points"),
    REACH: (*WITH_POINTS, "hints, points mixed"),
    CORRECTIONS: (*WITH_POINTS, "alike, area all", "alike, without color"),
    STRENGTHS: WITH_POINTS,
    NETWORK: ("zhang2017_global, statistics", "su2020_small, boxes", "hints, tensors"),
    REPLACING: WITH_OVERLAYS,
    PAINTING: WITH_OVERLAYS,
    LIGHTNESS: WITH_OVERLAYS,
    COLORS: ("painter, no guidance",),
}


def stored(cases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"tests/inference/test_recipes.py::test_colors_are_those_of_before[{case}]" for case in cases
    )


# name, anchor, replacement: caught by the stored colors of recipes of every kind
CAUGHT_BY_COLORS = {
    PLAN: (
        ("plan-weak-points-in-full", "if not weak:", "if True:"),
        (
            "plan-weak-points-without-nothing",
            "_with_some_points(job, tuple(hint for hint in hints if hint.strength == 1))",
            "_with_some_points(job, hints)",
        ),
        (
            "plan-points-not-enforced",
            "enforced = node(enforce_points,",
            "enforced = ab or node(enforce_points,",
        ),
        ("plan-reach-unlimited", "if not limited:", "if True:"),
        (
            "plan-base-has-the-points",
            "node(show_base, _with_some_points(job, rest),",
            "node(show_base, ab,",
        ),
        (
            "plan-small-points-with-the-others",
            "(is_small(hint) if small else is_limited(hint))",
            "is_limited(hint)",
        ),
        ("plan-small-points-over-nearer-ones", "if small and larger:", "if False:"),
        ("plan-points-not-fitted", "fits=not job.paints,", "fits=False,"),
        ("plan-places-not-compared", "isinstance(job.network.model, ComparesPlaces)", "False"),
        ("plan-areas-not-filled", "if filled:", "if False:"),
        ("plan-areas-not-locked", "if locks:", "if False:"),
        ("plan-gray-areas-ignored", '_areas(job, "gray", "only", "lock")', '_areas(job, "only", "lock")'),
        ("plan-only-areas-ignored", '_areas(job, "gray", "only", "lock")', '_areas(job, "gray", "lock")'),
        ("plan-locked-areas-ignored", '_areas(job, "gray", "only", "lock")', '_areas(job, "gray", "only")'),
        (
            "plan-own-colors-with-points",
            "_run(job, None, hinted=False)",
            "_run(job, _points(job, job.recipe.points))",
        ),
        ("plan-no-point-in-an-area", "inside = _points_inside(job, filled)", "inside = list[PointHint]()"),
        (
            "plan-strength-in-an-area-ignored",
            "strengths=tuple(hint.strength for hint in inside)",
            "strengths=tuple(1.0 for hint in inside)",
        ),
        (
            "plan-strength-of-colors-ignored",
            "node(scale_chroma, colors, factor=recipe.strength)",
            "node(scale_chroma, colors, factor=1.0)",
        ),
        ("plan-strength-of-locks-ignored", "own, strength=recipe.strength)", "own, strength=1.0)"),
        ("plan-no-seeds", '    if "points" not in job.network.model.accepts:', "    if True:"),
        (
            "plan-weak-points-are-seeds",
            "for hint in job.recipe.points if hint.strength == 1)",
            "for hint in job.recipe.points)",
        ),
        (
            "plan-seeds-not-enforced",
            "return node(enforce_points, ab, seeds,",
            "return ab or node(enforce_points, ab, seeds,",
        ),
        ("plan-things-not-boxed", 'if not things or "boxes" not in', 'if True or "boxes" not in'),
        (
            "plan-boxes-count-everywhere",
            "return node(restrict_to_things, boxed, prediction, drawn)",
            "return boxed",
        ),
        ("plan-points-not-told", "        told = points\n", "        pass\n"),
        ("plan-statistics-ignored", 'if "statistics" in accepts and', "if False and"),
        ("plan-classes-ignored", "if not lacks_classes(model, recipe):", "if False:"),
        ("plan-reference-ignored", "    if exemplar is not None:", "    if False:"),
        ("plan-alpha-ignored", "return exemplar if alpha is None else", "return exemplar if True else"),
        (
            "plan-regions-not-colored",
            "divided_regions(job), colors=recipe.regions)",
            "divided_regions(job), colors=())",
        ),
    ),
    JOB: (
        ("job-strength-of-the-recipe-ignored", "strength = recipe.strength", "strength = 1.0"),
        ("job-strength-of-the-call-ignored", "    if strength is None:", "    if True:"),
        ("job-automatic-frame-ignored", '        return "automatic"\n', '        return "none"\n'),
        (
            "job-recipe-not-cropped",
            "guidance, lost = crop_recipe(guidance, whole.size, part.inside)",
            "lost: tuple[str, ...] = ()",
        ),
        ("job-radius-not-scaled", "radius=h.radius * scale)", "radius=h.radius)"),
        ("job-tensors-transposed", "width / columns, height / rows", "height / columns, width / rows"),
    ),
    AREAS: (
        ("areas-constant-fill", "fill: float = 0.6", "fill: float = 0.75"),
        ("areas-constant-seeds", "seeds: int = 8", "seeds: int = 5"),
        ("areas-constant-seed-radius", "seed_radius: int = 2", "seed_radius: int = 3"),
        ("areas-constant-apart", "apart: float = 0.5", "apart: float = 1.0"),
        ("areas-constant-least-room", "least_room: float = 1.0", "least_room: float = 20.0"),
        ("areas-constant-half", "_HALF = 0.5", "_HALF = 0.9"),
        ("areas-later-ones-do-not-cover-seeds", "free = free * (1 - later.share)", "pass"),
        ("areas-points-have-no-precedence", "each.share * (1 - precedence) *", "each.share *"),
        ("areas-seeds-are-exact", "exact[:, :, rows, columns] = 1, 0", "exact[:, :, rows, columns] = 1, 1"),
        ("areas-gray-keeps-color", "lab[1:] * (1 - share)])", "lab[1:]])"),
        (
            "areas-kept-colors-ignored",
            "_own_lab(own, strength) if stored is None else stored",
            "lab if own is None else _own_lab(own, strength)",
        ),
        (
            "areas-own-colors-without-strength",
            "torch.tensor([1.0, strength, strength]).view",
            "torch.tensor([1.0, 1.0, 1.0]).view",
        ),
        ("areas-locks-not-told", "locked = torch.maximum(locked, share)", "pass"),
        ("areas-lightness-by-the-mean", "[inside].median()", "[inside].mean()"),
        ("areas-seeds-touch", "away = np.minimum(away, np.hypot(rows - row, columns - column))", "pass"),
    ),
    MASKS: (
        ("masks-constant-supersampling", "supersampling: int = 4", "supersampling: int = 1"),
        ("masks-constant-radius", "radius: float = 0.016", "radius: float = 0.06"),
        ("masks-constant-slack", "slack: float = 9.0", "slack: float = 30.0"),
        ("masks-constant-nearly", "nearly: float = 0.004", "nearly: float = 0.1"),
        ("masks-half-locked-is-half", "(2 * share).clamp(0, 1)", "share.clamp(0, 1)"),
        ("masks-only-is-lock", 'share = union if action == "lock" else 1 - union', "share = union"),
        (
            "masks-shift-of-one-sign",
            "shifted = shifted + units * share",
            "shifted = shifted + abs(units) * share",
        ),
        ("masks-not-smoothed", "mean(part)).float()", "part).float()"),
    ),
    POINTS: (
        ("points-constant-cells", "most_cells: int = 64", "most_cells: int = 16"),
        ("points-constant-fade", "fade: float = 12.0", "fade: float = 20.0"),
        ("points-constant-fill", "fill: float = 0.5", "fill: float = 0.8"),
        ("points-constant-blend", "blend: float = 12 / 256", "blend: float = 24 / 256"),
        ("points-constant-blend-small", "blend_small: float = 0.3", "blend_small: float = 0.03"),
        ("points-constant-blend-edge", "blend_edge: float = 20.0", "blend_edge: float = 60.0"),
        ("points-constant-least-blend", "least_blend: float = 0.5", "least_blend: float = 1.5"),
        ("points-constant-rounds", "blend_rounds: int = 2", "blend_rounds: int = 1"),
        ("points-neighbors-not-moved", "points.ab, ab + smooth)", "points.ab, ab)"),
        (
            "points-color-of-another-lightness",
            "at_lightness(chosen[:, None], given[:1, None, free])[1:, 0]",
            "chosen[1:]",
        ),
        ("points-response-not-rooted", "share.clamp(0, 1).sqrt()", "share.clamp(0, 1)"),
    ),
    REACH: (
        ("reach-nearer-points-ignored", "from_numpy(nearest <= other)", "from_numpy(nearest >= 0)"),
        ("reach-small-points-are-large", "hint.reach <= REACH.probed", "hint.reach < 0"),
        ("reach-constant-grid", "grid: int = 128", "grid: int = 32"),
        ("reach-constant-step", "step: float = 0.05", "step: float = 0.1"),
        ("reach-constant-calm", "calm: float = 8.0", "calm: float = 2.0"),
        ("reach-constant-border", "border: float = 4.2", "border: float = 3.5"),
        ("reach-constant-steepness", "steepness: float = 14.0", "steepness: float = 8.0"),
        ("reach-constant-unlike", "unlike: float = 6.5", "unlike: float = 4.0"),
        ("reach-constant-border-alike", "border_alike: float = 8.0", "border_alike: float = 6.0"),
        ("reach-constant-steepness-alike", "steepness_alike: float = 16.0", "steepness_alike: float = 8.0"),
        ("reach-factor-ignored", "distance / (factor * border)", "distance / border"),
        ("reach-zero-is-automatic", "    if factor == 0:", "    if False:"),
        ("reach-surroundings-ignored", "slope / (1 + around) +", "slope +"),
        ("reach-likeness-ignored", "    if alike is not None:", "    if False:"),
    ),
    CORRECTIONS: (
        ("corrections-constant-reach", "reach: float = 1.5", "reach: float = 3.0"),
        ("corrections-constant-apart", "apart: float = 2.5", "apart: float = 1.0"),
        ("corrections-constant-rounds", "rounds: int = 4", "rounds: int = 1"),
        ("corrections-constant-narrowest", "narrowest: float = 0.3", "narrowest: float = 1.0"),
        ("corrections-of-weak-points", "[hint for hint in hints if hint.strength == 1]", "list(hints)"),
        ("corrections-in-locked-areas", "(~covered_later & (room > 0))", "(~covered_later)"),
        ("corrections-strength-ignored", "torch.tensor([1.0, strength, strength])", "torch.ones(3)"),
    ),
    STRENGTHS: (
        (
            "strengths-counted-twice",
            "point_strength(lightness, strengths, extent) *",
            "point_strength(lightness, strengths, extent) ** 2 *",
        ),
        ("strengths-reversed", "return without + point_strength", "return strong - point_strength"),
    ),
    NETWORK: (
        ("network-histogram-not-a-share", "histogram = histogram / histogram.sum()", "pass"),
        ("network-saturation-lost", "None if saturation is None else torch.tensor([[saturation]])", "None"),
        ("network-boxes-of-the-recipe-lost", "boxes=placed or resized.boxes", "boxes=resized.boxes"),
    ),
    REPLACING: (
        ("replacing-constant-gray", "gray: float = 10.0", "gray: float = 30.0"),
        ("replacing-constant-gray-share", "gray_share: float = 0.5", "gray_share: float = 0.1"),
        ("replacing-hue-only", "min(new_chroma / old_chroma, REPLACING.most_chroma)", "1.0"),
        ("replacing-in-locked-areas", "if self.locked is not None:", "if False:"),
        ("replacing-all-hues", "share = _smooth(near) *", "share ="),
    ),
    PAINTING: (
        ("painting-strength-ignored", " * self.strength", ""),
        ("painting-opacity-ignored", "from_numpy(top.opacity * cover)", "from_numpy(cover)"),
        ("painting-hardness-ignored", "stroke.hardness * radius,", "0.0 * radius,"),
        (
            "painting-erases-to-gray",
            "wanted = below[:, rows, columns]",
            "wanted = 0 * below[:, rows, columns]",
        ),
    ),
    LIGHTNESS: (
        ("lightness-constant-table", "_LIGHTNESSES = 201", "_LIGHTNESSES = 3"),
        ("lightness-paint-not-eased", "torch.where(light < 1, shaded, _ab_table(color))", "_ab_table(color)"),
    ),
    COLORS: (("colors-painted-lightness-lost", "return Colors(ab, painted)", "return Colors(ab)"),),
}

SHOWN = "tests/inference/test_shown.py"
OPACITY = f"{SHOWN}::test_a_hidden_layer_has_no_effect_and_its_opacity_is_a_share"
# file, name, anchor, replacement, test
CAUGHT_BY_LAYERS = (
    (
        JOB,
        "layers-hidden-count",
        "replace(recipe.shown(), strength",
        "replace(recipe, strength",
        f"{OPACITY}[paint]",
    ),
    (
        AREAS,
        "layers-color-opaque",
        "each.area.opacity * each.share * (1",
        "each.share * (1",
        f"{OPACITY}[color]",
    ),
    (AREAS, "layers-gray-opaque", "None, each.area.opacity *", "None, 1 *", f"{OPACITY}[gray]"),
    (AREAS, "layers-lock-opaque", "each.area, each.area.opacity *", "each.area, 1 *", f"{OPACITY}[lock]"),
    (AREAS, "layers-only-opaque", "opacity * locked_share(only", "locked_share(only", f"{OPACITY}[only]"),
    (
        AREAS,
        "layers-lightness-opaque",
        "(each.matte, each.area.opacity * units)",
        "(each.matte, units)",
        f"{SHOWN}::test_the_lightness_of_an_area_follows_its_color_by_its_opacity",
    ),
    (
        AREAS,
        "layers-things-opaque",
        "torch.stack([each.area.opacity * each.share for each in drawn])",
        "torch.stack([each.share for each in drawn])",
        "tests/inference/test_area_answers.py::test_the_effect_of_a_box_has_the_opacity_of_its_area",
    ),
    (
        PLAN,
        "layers-opacity-runs-the-network",
        "_seeded(job, _masks(job, filled))",
        "_seeded(job, drawn)",
        f"{SHOWN}::test_another_opacity_runs_no_network",
    ),
    (
        REPLACING,
        "layers-replacement-opaque",
        "ab += replacement.opacity * share",
        "ab += share",
        f"{OPACITY}[replacements]",
    ),
    (
        MASKS,
        "layers-feather-in-pixels-of-the-network",
        "area.feather * size[1] / picture_size[0]",
        "area.feather",
        f"{SHOWN}::test_a_feathered_border_fades_to_both_sides[10]",
    ),
    (
        MASKS,
        "layers-feather-keeps-edges",
        "Matte(torch.zeros_like(share), torch",
        "Matte(0.01 * torch.ones_like(share), torch",
        f"{SHOWN}::test_a_feathered_border_fades_to_both_sides[24]",
    ),
    (
        MASKS,
        "layers-feather-of-one-pass",
        "for reach in (cells // 2, cells - cells // 2):",
        "for reach in (cells // 2,):",
        f"{SHOWN}::test_a_feathered_border_fades_to_both_sides[24]",
    ),
    (
        PAINTING,
        "layers-strokes-apart",
        "number if stroke.layer is None else -stroke.layer",
        "number",
        f"{SHOWN}::test_strokes_of_a_layer_are_one_coat",
    ),
    (
        PAINTING,
        "layers-all-strokes-one-coat",
        "number if stroke.layer is None else -stroke.layer",
        "0 if stroke.layer is None else -stroke.layer",
        f"{SHOWN}::test_strokes_of_a_layer_are_one_coat",
    ),
    (
        PAINTING,
        "layers-coats-of-any-color",
        "-stroke.layer), stroke.color",
        "-stroke.layer), None",
        f"{SHOWN}::test_other_colors_end_a_coat",
    ),
)

STROKES = "tests/inference/test_paint_strokes.py"
_EDGE = f"{STROKES}::test_a_stroke_with_a_limited_reach_ends_at_an_edge"
_BLEND = "tests/inference/test_paint_strokes.py::test_paint_replaces_the_hue_or_the_saturation_alone"
_ALONG = f"{STROKES}::test_places_along_a_stroke_are_even_and_at_most_64"
# file, name, anchor, replacement, test
CAUGHT_BY_STROKES = (
    (
        PAINTING,
        "painting-hue-for-saturation",
        'if blend == "hue" else',
        'if blend == "saturation" else',
        _BLEND,
    ),
    (PAINTING, "painting-blend-over-the-base", "painted, part)", "painted, below[:, rows, columns])", _BLEND),
    (
        PAINTING,
        "painting-constant-least-chroma",
        "least_chroma: float = 1.0",
        "least_chroma: float = 0.1",
        _BLEND,
    ),
    (PAINTING, "painting-coats-of-two-blends", "stroke.color, stroke.blend", "stroke.color", _BLEND),
    (PAINTING, "painting-places", "places: int = 64", "places: int = 32", _ALONG),
    (PAINTING, "painting-apart", "apart: float = 0.25", "apart: float = 0.5", _ALONG),
    (PAINTING, "painting-core", "core: float = 0.1", "core: float = 0.2", _ALONG),
    (PAINTING, "painting-reach-off", "share * weight.clamp(0, 1).numpy()", "share", _EDGE),
    (
        PAINTING,
        "painting-reach-of-the-first",
        "(self.strokes[number], reaches[number])",
        "(self.strokes[number], reaches[0])",
        f"{STROKES}::test_each_stroke_of_a_coat_has_its_own_reach",
    ),
    (
        PLAN,
        "painting-reach-not-planned",
        "for stroke in paint):\n        return given(())",
        "for stroke in paint) or True:\n        return given(())",
        _EDGE,
    ),
)

CAUGHT_BY_FRAMES = (
    ("frame-constant-bar", "_BAR = (3, 0.08)", "_BAR = (1, 0.08)"),
    ("frame-constant-bar-wide", "_BAR = (3, 0.08)", "_BAR = (3, 0.2)"),
    ("frame-constant-crossing", "_CROSSING = 0.97", "_CROSSING = 0.85"),
    ("frame-constant-bar-even", "_BAR_EVEN = 8.0", "_BAR_EVEN = 16.0"),
    ("frame-constant-neighbor", "_NEIGHBOR = 0.08", "_NEIGHBOR = 0.02"),
    ("frame-of-any-exposure", "if before >= after else", "if before < after else"),
    ("frame-bars-of-light-frames", "    if tone > _DARK:\n", "    if tone > 100:\n"),
    ("frame-constant-longest", "_LONGEST = 512", "_LONGEST = 64"),
    ("frame-constant-deepest", "_DEEPEST = 0.26", "_DEEPEST = 0.1"),
    ("frame-constant-steepest", "_STEEPEST = 0.018", "_STEEPEST = 0.0"),
    ("frame-constant-layers", "_LAYERS = (2, 2, 3)", "_LAYERS = (2,)"),
    ("frame-constant-sides-of-a-film", "_LAYERS = (2, 2, 3)", "_LAYERS = (2, 3, 3)"),
)

HEALING = "tests/inference/test_healing.py"
_SCRATCH = f"{HEALING}::test_a_scratch_is_filled_from_around_and_nothing_else_changes"
_BOXES = f"{HEALING}::test_boxes_around_strokes_give_what_the_whole_picture_gives"
_SEEN = f"{HEALING}::test_the_model_sees_the_healed_picture_and_the_result_has_it"
# file, name, anchor, replacement, test
CAUGHT_BY_HEALING = (
    ("inference/steps/healing.py", "healing-radius", "radius: float = 1.0", "radius: float = 5.0", _BOXES),
    ("inference/steps/healing.py", "healing-around", "around: int = 8", "around: int = -4", _BOXES),
    ("inference/steps/healing.py", "healing-method", "cv2.INPAINT_NS", "cv2.INPAINT_TELEA", _BOXES),
    ("inference/steps/healing.py", "healing-in-place", "levels.copy()", "levels", _SCRATCH),
    (JOB, "healing-off", "if healing:", "if False:", _SEEN),
)

CROPPING = "tests/inference/test_cropping.py"
_BETWEEN = f"{CROPPING}::test_a_turned_part_has_the_values_between_the_pixels"
_PILLOW = f"{CROPPING}::test_a_turned_part_is_that_of_pillow"
_RANGE = f"{CROPPING}::test_what_overshoots_at_an_edge_is_no_other_level"
_WHOLE = f"{CROPPING}::test_hints_stay_in_pixels_of_the_whole_picture"
_WRONG = f"{CROPPING}::test_a_wrong_crop_is_refused_by_name"
_OUTSIDE = f"{CROPPING}::test_a_crop_outside_of_the_picture_is_refused"
_FINE = f"{CROPPING}::test_fine_detail_stays"
_STRAIGHT = f"{CROPPING}::test_a_part_up_to_the_border_has_no_dark_rim"
_RECORD = f"{CROPPING}::test_the_record_tells_the_crop_and_makes_the_result_again"
_CROPPED = "inference/steps/cropping.py"
CAUGHT_BY_CROPPING = (
    (_CROPPED, "cropping-around", "around: int = 3", "around: int = 0", _BETWEEN),
    (_CROPPED, "cropping-method", 'mode="bicubic"', 'mode="bilinear"', _FINE),
    (_CROPPED, "cropping-border", 'padding_mode="border"', 'padding_mode="zeros"', _STRAIGHT),
    (_CROPPED, "cropping-pixel-centers", "align_corners=False", "align_corners=True", _BETWEEN),
    ("guidance/crop.py", "cropping-other-way", "height, self.angle)", "height, -self.angle)", _PILLOW),
    (_CROPPED, "cropping-no-rounding", "else np.rint(", "else np.floor(", _BETWEEN),
    (_CROPPED, "cropping-wrapped", "np.clip(values, 0, np.iinfo(levels.dtype).max)", "values", _RANGE),
    ("inference/answer.py", "cropping-off", "crop=self.job.crop)", "crop=None)", _WHOLE),
    ("guidance/crop.py", "cropping-angle", "MAX_ANGLE = 45.0", "MAX_ANGLE = 50.0", _WRONG),
    ("guidance/crop.py", "cropping-least", "LEAST_CROP = 8", "LEAST_CROP = 7", _WRONG),
    ("guidance/crop.py", "cropping-slack", "_SLACK = 1e-6", "_SLACK = 1.5", _OUTSIDE),
    ("batch/origin.py", "cropping-record", "recipe.crop.to_text()", '""', _RECORD),
)

MUTANTS = (
    *(
        Mutant(name, file, old, new, stored(CASES[file]))
        for file, rows in CAUGHT_BY_COLORS.items()
        for name, old, new in rows
    ),
    *(Mutant(name, file, old, new, (test,)) for file, name, old, new, test in CAUGHT_BY_LAYERS),
    *(Mutant(name, file, old, new, (test,)) for file, name, old, new, test in CAUGHT_BY_HEALING),
    *(Mutant(name, file, old, new, (test,)) for file, name, old, new, test in CAUGHT_BY_STROKES),
    *(Mutant(name, file, old, new, (test,)) for file, name, old, new, test in CAUGHT_BY_CROPPING),
    *(Mutant(name, FRAME, old, new, FRAMES) for name, old, new in CAUGHT_BY_FRAMES),
)
