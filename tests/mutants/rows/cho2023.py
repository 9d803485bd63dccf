"""Cho et al. 2023."""

from mutation import Mutant

TASK, LOSSES, HINTS = "zoo/cho2023/task.py", "zoo/cho2023/losses.py", "zoo/cho2023/hints.py"
STEP = ("tests/steps/test_cho2023.py",)

MUTANTS = (
    Mutant("weights-ignored", TASK, "self.objective.weight(name) * term", "term", STEP),
    Mutant(
        "variance-left-out",
        TASK,
        'terms["variance"] = total_variance',
        'terms["variance"] = 0 * total_variance',
        STEP,
    ),
    Mutant(
        "the-critic-counts-fully", TASK, "self.objective.adversarial_weight * detection", "detection", STEP
    ),
    Mutant(
        "the-critic-sees-the-same-draws",
        TASK,
        'return self._paint_batch(batch, "second")',
        'return self._paint_batch(batch, "first")',
        STEP,
    ),
    Mutant(
        "tau-stands-still",
        TASK,
        "first * (last / first) ** progress",
        "first",
        (
            "tests/parity/test_parity.py",
            "tests/knobs/test_knobs.py::test_no_setting_is_dead[cho2023-final_temperature]",
        ),
    ),
    Mutant(
        "all-regions-colored",
        TASK,
        "return Draws(noise, draw_counts(stops, self.users.stop_probability))",
        "return Draws(noise, draw_counts(stops, 1e-9))",
        ("tests/zoo/test_cho2023_order.py",),
    ),
)
