"""Lu et al. 2020, and what Yin et al. 2021 has of it."""

from mutation import Mutant

TASK, PARTS = "training/gated_transfer.py", "networks/gated_transfer.py"
ZOO, BOTH = "tests/zoo/test_lu2020.py", "tests/zoo/test_gated_transfer.py"
STEP = (f"{BOTH}::test_the_step_is_the_losses_written_out",)
SINGLE = "tests/zoo/test_single_pictures.py::test_the_gradient_of_a_single_picture_is_right"

MUTANTS = (
    Mutant(
        "g2c-weights-ignored",
        TASK,
        "weighted_sum(terms, self.objective)",
        "sum(terms.values())",
        STEP,
    ),
    Mutant(
        "g2c-reference-in-the-first-stage",
        "zoo/lu2020/task.py",
        'if self.stage == "body"',
        "if False",
        (f"{ZOO}::test_the_first_stage_has_no_references", *STEP),
    ),
    Mutant("g2c-truth-without-small-sizes", TASK, "[*painted.found.ab[:2], ab]", "[ab, ab, ab]", STEP),
    Mutant("g2c-critic-trains-the-network", TASK, "critic_loss(*scores)", "loss(scores[0])", STEP),
    Mutant(
        "g2c-gate-turned",
        PARTS,
        "given.matched[index] * gate",
        "given.matched[index] * (1 - gate)",
        (f"{ZOO}::test_a_gate_of_0_leaves_the_histogram_alone",),
    ),
    Mutant(
        "g2c-softmax-over-the-picture",
        "networks/levels.py",
        "similarity / tau, dim=1)",
        "similarity / tau, dim=2)",
        (f"{BOTH}::test_places_that_are_matched_in_parts_are_matched_alike",),
    ),
    Mutant(
        "instance-norm-of-torch",
        "networks/blocks.py",
        "return F.group_norm(x, x.shape[1])",
        "return F.instance_norm(x)",
        (f"{ZOO}::test_instance_norm_is_its_formula", f"{SINGLE}[lu2020]", f"{SINGLE}[zhang2019_small]"),
    ),
)
