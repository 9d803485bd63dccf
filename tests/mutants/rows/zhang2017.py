"""Zhang et al. 2017."""

from mutation import Mutant

TASK, GLOBAL, SETTINGS = "zoo/zhang2017/task.py", "zoo/zhang2017/global_task.py", "zoo/zhang2017/settings.py"
UNET, START = "networks/hint_unet.py", "zoo/zhang2017/start.py"
STEP = ("tests/steps/test_zhang2017.py",)

MUTANTS = (
    Mutant("detach-ignored", TASK, "detach=self.detach", 'detach="none"', STEP),
    Mutant(
        "stages-exchanged",
        SETTINGS,
        '"classification": LocalStage(detach="regression")',
        '"classification": LocalStage(detach="classification")',
        STEP,
    ),
    Mutant("skips-not-detached", UNET, "map1, map2 = map1.detach(), map2.detach()", "pass", STEP),
    Mutant("regression-weight-ignored", TASK, "weigh.regression_weight * regression", "regression", STEP),
    Mutant("delta-ignored", TASK, "delta=self.objective.delta", "delta=1.0", STEP),
    Mutant("colorfulness-ignored", TASK, "ab, self.extensions.colorfulness)", "ab, 0.0)", STEP),
    Mutant("no-hints-in-training", TASK, "none=1 - users.hints", "none=1.0", STEP),
    Mutant("all-pictures-hinted", TASK, "none=1 - users.hints", "none=0.0", STEP),
    Mutant(
        "stop-probability-ignored",
        TASK,
        "users.stop_probability, reveal_all",
        "0.5, reveal_all",
        ("tests/knobs/test_knobs.py::test_no_setting_is_dead[zhang2017_local-stop_probability]",),
    ),
    Mutant(
        "histogram-always-shown", GLOBAL, "draws[:, :1] < users.histogram_share", "draws[:, :1] < 1.0", STEP
    ),
    Mutant(
        "saturation-by-the-other-share",
        GLOBAL,
        "draws[:, 1:] < users.saturation_share",
        "draws[:, 1:] < users.histogram_share",
        STEP,
    ),
    Mutant(
        "the-branch-speaks-at-once",
        GLOBAL,
        "torch.nn.init.zeros_(self.network.branch.last_norm.weight)",
        "pass",
        ("tests/training/test_starts.py",),
    ),
    Mutant(
        "hints-are-read-as-lightness",
        START,
        "copied[_FIRST][:, : target[_FIRST].shape[1]]",
        "copied[_FIRST][:, -target[_FIRST].shape[1] :]",
        ("tests/training/test_starts.py",),
    ),
)
