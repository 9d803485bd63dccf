"""Yin et al. 2021."""

from mutation import Mutant

NETWORK, TASK = "zoo/yin2021/network.py", "zoo/yin2021/task.py"
ZOO = "tests/zoo/test_yin2021.py"
NET, PIPELINE = (f"tests/parity/test_parity.py::test_parity[yin2021_{each}]" for each in ("net", "pipeline"))
STEP = ("tests/zoo/test_gated_transfer.py::test_the_step_is_the_losses_written_out[yin2021-None]",)

MUTANTS = (
    Mutant(
        "yin-histogram-of-the-photo",
        TASK,
        "rgb = references_of(batch)[0].rgb",
        'rgb = batch["rgb"]',
        STEP,
    ),
    Mutant(
        "yin-colors-by-b-first",
        NETWORK,
        "[bins // _SIDE, bins % _SIDE]",
        "[bins % _SIDE, bins // _SIDE]",
        (f"{ZOO}::test_each_place_attends_to_the_colors_of_the_table",),
    ),
    Mutant(
        "yin-dull-choice-of-colors",
        NETWORK,
        "_BIN_SHARPNESS * logits",
        "logits",
        (f"{ZOO}::test_each_place_attends_to_the_colors_of_the_table",),
    ),
    Mutant(
        "yin-histogram-of-all-colors",
        NETWORK,
        "return kept / kept.sum(dim=1, keepdim=True)",
        "return kept / counts.sum(dim=1, keepdim=True)",
        (f"{ZOO}::test_the_histogram_counts_the_common_colors", PIPELINE),
    ),
    Mutant(
        "yin-trust-of-one-source",
        NETWORK,
        "self.matched_trust(taken) - self.histogram_trust(taken)",
        "self.matched_trust(taken)",
        (NET,),
    ),
    Mutant(
        "yin-histogram-added",
        NETWORK,
        "x * self.vector",
        "x + self.vector",
        (NET,),
    ),
)
