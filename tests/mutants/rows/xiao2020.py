"""Xiao et al. 2020."""

from mutation import Mutant

FOLDER = "zoo/xiao2020"
TASK, MODEL, NETWORK, NAMES = (f"{FOLDER}/{name}.py" for name in ("task", "model", "network", "published"))
ZOO = "tests/zoo/test_xiao2020.py"
STEP = (f"{ZOO}::test_the_step",)
STARTS = (f"{ZOO}::test_the_later_levels_begin_as_the_first_and_all_decays",)
FILES = (f"{ZOO}::test_the_caffe_files_are_converted",)
LEVELS = (f"{ZOO}::test_each_level_reads_the_colors_of_the_one_below",)
GIVEN = (f"{ZOO}::test_exemplars_looks_and_statistics_are_histograms",)

FRESH = (f"{ZOO}::test_a_fresh_network_has_opinions_that_are_not_strong",)
COUNTED = (f"{ZOO}::test_a_histogram_counts_means_of_sixteen_pixels",)

MUTANTS = (
    Mutant("depn-mean-over-places", TASK, "codes)).sum() / len(ab)", "codes)).mean()", STEP),
    Mutant(
        "depn-mean-of-each-cell", TASK, "ab[:, :, ::QUARTER, ::QUARTER]", "F.avg_pool2d(ab, QUARTER)", STEP
    ),
    Mutant("depn-gray-pictures-teach", TASK, "* colorful[:, None, None]", "* 1.0", STEP),
    Mutant(
        "depn-levels-not-whole", TASK, "(255 * lab_to_rgb(small)).round()", "(255 * lab_to_rgb(small))", STEP
    ),
    Mutant("depn-later-starts-anew", TASK, '("first", "later"):', '("first", "last"):', STARTS),
    Mutant("depn-statistics-too-large", NAMES, "value.flatten() / factor", "value.flatten()", FILES),
    Mutant("depn-sharpness-ignored", NAMES, "2 * float(", "1 + 0 * float(", FILES),
    Mutant("depn-logits-not-halved", NETWORK, "_TEMPERATURE = 2.0", "_TEMPERATURE = 1.0", LEVELS),
    Mutant(
        "depn-histogram-of-pixels",
        NETWORK,
        "F.avg_pool2d(ab, QUARTER)",
        "ab",
        COUNTED,
    ),
    Mutant("depn-strong-at-first", MODEL, "std=0.1)", "std=0.15)", FRESH),
    Mutant("depn-alpha-ignored", MODEL, "guidance.exemplar.alpha)", "1.0)", GIVEN),
)
