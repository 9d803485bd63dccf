"""Yun et al. 2023."""

from mutation import Mutant

TASK = "zoo/yun2023/task.py"
NETWORK, NAMES = "zoo/yun2023/network.py", "zoo/yun2023/published.py"
SCHEDULE = "zoo/yun2023/schedule.py"
STEPS, ZOO, PARITY = "tests/steps/test_yun2023.py", "tests/zoo/test_yun2023.py", "tests/parity/test_parity.py"
ON_STEP, ON_HINTS = (f"{STEPS}::test_the_step",), (f"{STEPS}::test_hints_are_drawn_as_written_out",)
GOLDEN_NET, GOLDEN_HEAD = (
    (f"{PARITY}::test_parity[icolorit_tiny_224]",),
    (f"{PARITY}::test_parity[icolorit_head]",),
)

MUTANTS = (
    Mutant("yun2023-delta-ignored", TASK, "delta=self.objective.delta)", "delta=1.0)", ON_STEP),
    Mutant("yun2023-loss-in-cie-units", TASK, "found / AB_SCALE, ab / AB_SCALE", "found, ab", ON_STEP),
    Mutant("yun2023-no-hints", TASK, "self.users.most_hints", "0 * self.users.most_hints", ON_STEP),
    Mutant(
        "yun2023-most-left-out",
        TASK,
        "draws[:, 0] * (most + 1))",
        "draws[:, 0] * most)",
        ON_HINTS,
    ),
    Mutant(
        "yun2023-one-hint-more",
        TASK,
        "rank < counts[:, None]",
        "rank <= counts[:, None]",
        ON_HINTS,
    ),
    Mutant(
        "yun2023-few-for-nobody",
        TASK,
        "draws[:, 1] < few",
        "draws[:, 1] < 0 * few",
        (f"{STEPS}::test_few_hints_are_ours_and_off_by_default",),
    ),
    Mutant(
        "yun2023-hints-added-up",
        NETWORK,
        "sums[:, :2] / count.clamp(min=1)",
        "sums[:, :2]",
        (f"{ZOO}::test_points_of_a_cell_are_averaged",),
    ),
    Mutant(
        "yun2023-hints-a-pixel-off",
        NETWORK,
        "(2 * pixels + 1) * cells",
        "(2 * pixels - 1).clamp(min=0) * cells",
        (f"{ZOO}::test_a_point_lands_in_the_cell_of_its_place",),
    ),
    Mutant(
        "yun2023-no-positions", NETWORK, "self.embed(seen) + self.positions", "self.embed(seen)", GOLDEN_NET
    ),
    Mutant("yun2023-value-bias-lost", NETWORK, ", self.v_bias])", ", 0 * self.v_bias])", GOLDEN_NET),
    Mutant(
        "yun2023-columns-first",
        NETWORK,
        "permute(0, 5, 1, 3, 2, 4)",
        "permute(0, 5, 1, 4, 2, 3)",
        GOLDEN_HEAD,
    ),
    Mutant(
        "yun2023-zeros-beyond-the-border",
        NETWORK,
        ', padding_mode="reflect"',
        "",
        GOLDEN_HEAD,
    ),
    Mutant(
        "yun2023-rises-too-slowly",
        SCHEDULE,
        "max(1, self.warmup_steps - 1)",
        "max(1, self.warmup_steps)",
        (f"{PARITY}::test_parity[icolorit_schedule]",),
    ),
    Mutant(
        "yun2023-any-order-of-positions",
        NAMES,
        "if not torch.equal(",
        "if False and torch.equal(",
        (f"{ZOO}::test_another_order_of_relative_positions_is_refused",),
    ),
)
