"""Lu et al. 2020."""

from mutation import Mutant

TASK, NETWORK, LEVELS = "zoo/lu2020/task.py", "zoo/lu2020/network.py", "networks/levels.py"
ZOO = "tests/zoo/test_lu2020.py"
STEP = (f"{ZOO}::test_the_step_is_the_losses_written_out",)
SINGLE = (
    "tests/zoo/test_references_of_rivals.py::test_the_gradient_of_a_single_picture_is_right[lu2020-body.1.0.weight]",
)

MUTANTS = (
    Mutant(
        "g2c-weights-ignored",
        TASK,
        "weighted_sum(terms, self.objective)",
        "sum(terms.values())",
        STEP,
    ),
    Mutant("g2c-reference-in-the-first-stage", TASK, 'if self.stage == "body" else', "if False else", STEP),
    Mutant("g2c-truth-without-small-sizes", TASK, "[*painted.found.ab[:2], ab]", "[ab, ab, ab]", STEP),
    Mutant("g2c-critic-trains-the-network", TASK, "critic_loss(*scores)", "loss(scores[0])", STEP),
    Mutant(
        "g2c-gate-turned",
        NETWORK,
        "given.maps[index] * gate",
        "given.maps[index] * (1 - gate)",
        (f"{ZOO}::test_a_gate_of_0_leaves_the_histogram_alone",),
    ),
    Mutant(
        "g2c-softmax-over-the-picture",
        LEVELS,
        "similarity / tau, dim=1)",
        "similarity / tau, dim=2)",
        (f"{ZOO}::test_places_that_are_matched_in_parts_are_matched_alike",),
    ),
    Mutant(
        "instance-norm-of-torch",
        "networks/blocks.py",
        "return F.group_norm(x, x.shape[1])",
        "return F.instance_norm(x)",
        (f"{ZOO}::test_instance_norm_is_its_formula", *SINGLE),
    ),
)
