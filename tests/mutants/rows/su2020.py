"""Su et al. 2020."""

from mutation import Mutant

TASK = "zoo/su2020/task.py"
STEPS, ZOO = "tests/steps/test_su2020.py", "tests/zoo/test_su2020.py"
STEP = (f"{STEPS}::test_the_step",)
THINGS = (f"{STEPS}::test_the_instance_stage_sees_things_and_not_pictures",)
SHARED = (f"{STEPS}::test_a_step_does_not_depend_on_how_processes_share_a_batch_out",)
COPIED = (f"{ZOO}::test_a_stage_copies_the_full_network_where_nothing_was_trained",)
BOXES = (f"{ZOO}::test_boxes_of_a_batch_are_shares_and_a_picture_without_is_one_box",)
DECAY = ("tests/training_recipes/test_recipes.py::test_the_rates[su2020/fusion.yaml]",)

MUTANTS = (
    Mutant("su-instance-crops-skipped", TASK, "lab = one_object_each(lab, boxes, batch)", "pass", THINGS),
    Mutant(
        "su-instance-crops-in-no-stage",
        TASK,
        'if self.stage == "instance":',
        'if self.stage == "things":',
        STEP,
    ),
    Mutant("su-always-the-first-thing", TASK, "torch.randint(len(boxes[row])", "torch.randint(1", THINGS),
    Mutant("su-gray-counts", TASK, ">= GRAY_BELOW", ">= -GRAY_BELOW", STEP),
    Mutant("su-loss-of-one-process", TASK, "* colored).mean()", "* colored).sum() / colored.sum()", SHARED),
    Mutant("su-loss-weighs-1", TASK, "LOSS_SCALE = 10 / AB_SCALE", "LOSS_SCALE = 1 / AB_SCALE", STEP),
    Mutant(
        "su-delta-ignored",
        TASK,
        "delta=self.delta",
        "delta=1.0",
        (f"{STEPS}::test_colorful_pixels_count_more_if_asked",),
    ),
    Mutant(
        "su-hints-inside-out",
        "zoo/su2020/extensions.py",
        "none=1 - extensions.hints",
        "none=extensions.hints",
        STEP,
    ),
    Mutant("su-trained-stages-overwritten", TASK, 'COPIES.get((stage or "",', 'COPIES.get(("full",', COPIED),
    Mutant(
        "su-instance-overwritten-by-fusion",
        TASK,
        '("instance", "fusion"): ("fusion",)',
        '("instance", "fusion"): ("instance", "fusion")',
        COPIED,
    ),
    Mutant(
        "su-fusion-not-begun",
        TASK,
        '("full", "fusion"): ("instance", "fusion")',
        '("full", "fusion"): ("instance",)',
        COPIED,
    ),
    Mutant(
        "su-fusion-end-frozen",
        TASK,
        '"model.network.fusion.block10.*", ',
        "",
        (f"{STEPS}::test_the_third_stage_trains_as_many_weights_as_the_authors",),
    ),
    Mutant(
        "su-any-start-of-its-class",
        TASK,
        "if theirs[name] != ours[name]:",
        "if theirs is ours:",
        (f"{ZOO}::test_a_start_of_its_own_class_goes_on_from_its_stage",),
    ),
    Mutant("su-most-boxes-ignored", TASK, "given[: self.most_boxes]", "given", BOXES),
    Mutant(
        "su-validated-without-boxes",
        TASK,
        '("boxes", Guidance(boxes=boxes))',
        '("boxes", Guidance())',
        (f"{ZOO}::test_validation_gives_the_boxes_of_the_batch_it_is_shown",),
    ),
    Mutant(
        "schedule-holds-half", "training/schedules.py", "held = self.hold * total", "held = total / 2", DECAY
    ),
)
