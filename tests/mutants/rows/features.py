"""Features that are switched off as a whole, outside of training and of the plan of a job."""

from mutation import Mutant

XU = "zoo/xu2020/task.py"
EXPOSED = (
    "tests/steps/test_xu2020.py::test_the_exposed_step_gives_the_grid_of_true_and_of_transferred_colors",
)

MUTANTS = (
    Mutant(
        "edit-drops-classes",
        "zoo/colorzoo2026/model.py",
        "statistics=guidance.statistics, classes=guidance.classes",
        "statistics=guidance.statistics",
        ("tests/test_capabilities.py::test_an_edit_answers_every_combination_of_guidance_as_a_plain_call",),
    ),
    Mutant(
        "saturation-without-limit",
        "zoo/colorzoo2026/statistics.py",
        ".clamp(max=_MOST_VIVID)",
        ".clamp(max=9.0)",
        ("tests/zoo/test_colorzoo2026_statistics.py::test_faint_colors_become_at_most_2_5_times_as_vivid",),
    ),
    Mutant(
        "xu-nothing-is-transferred",
        XU,
        "return network.transferred(lightness, automatic, part * own + (1 - part) * foreign)",
        "return automatic",
        EXPOSED,
    ),
    Mutant("xu-own-reference-never-drawn", XU, "part * own + (1 - part) * foreign", "foreign", EXPOSED),
    Mutant("xu-foreign-reference-never-drawn", XU, "part * own + (1 - part) * foreign", "own", EXPOSED),
    Mutant(
        "averaging-without-buffers",
        "training/callbacks/averaging.py",
        "use_buffers=use_buffers",
        "use_buffers=False",
        (
            "tests/training/test_averaging.py"
            "::test_the_average_soon_forgets_the_first_weights_also_after_a_resume",
        ),
    ),
    Mutant(
        "fid-is-0",
        "metrics/fid.py",
        "super().compute().clamp(min=0)}",
        "super().compute().clamp(min=0, max=0)}",
        ("tests/metrics/test_fid.py::test_a_shift_has_its_square_as_distance",),
    ),
    Mutant(
        "jackknife-takes-a-plain-deviation",
        "evaluation/statistics.py",
        "pseudo = ratio * value - (ratio - 1) * others",
        "pseudo = others",
        ("tests/evaluation/test_statistics.py::test_the_jackknife_of_a_mean_is_its_standard_error",),
    ),
    Mutant(
        "profiles-with-tables-read-colorimetrically",
        "pictures/pixels.py",
        "CMS.INTENT.PERCEPTUAL if has_table else",
        "CMS.INTENT.PERCEPTUAL if False else",
        ("tests/pictures/test_profiles.py::test_table_profiles_are_applied_at_full_depth",),
    ),
)
