"""Xu et al. 2020."""

from mutation import Mutant

TASK = "zoo/xu2020/task.py"
STEPS, ZOO = "tests/steps/test_xu2020.py", "tests/zoo/test_xu2020.py"
COLOR, DECODER = (f"{STEPS}::test_the_color_step",), (f"{STEPS}::test_the_decoder_step",)
EXPOSED = (f"{STEPS}::test_the_exposed_step_gives_the_grid_of_true_and_of_transferred_colors",)
SHARED = (f"{ZOO}::test_a_step_does_not_depend_on_how_processes_share_a_batch_out",)
STARTS = (f"{ZOO}::test_the_color_net_starts_from_local_hints_that_read_the_same",)

MUTANTS = (
    Mutant("xu-hint-loss-off", TASK, "(1 + hint_weight * mask)", "(1 + 0 * mask)", COLOR),
    Mutant("xu-hint-weight-ignored", TASK, "hint_weight=weigh.hint_weight", "hint_weight=0.0", COLOR),
    Mutant("xu-delta-ignored", TASK, "delta=weigh.delta", "delta=1.0", COLOR),
    Mutant("xu-some-pictures-show-all", TASK, "reveal_all=0.0", "reveal_all=1.0", COLOR),
    Mutant(
        "xu-points-without-their-law",
        TASK,
        "PointSimulation(self.stop_prob",
        "PointSimulation(0.99 + 0 * self.stop_prob",
        COLOR,
    ),
    Mutant("xu-head-trained-for-nothing", TASK, 'leaves=("*.class_head.*",)', "leaves=()", COLOR),
    Mutant("xu-features-off", TASK, "weigh.perceptual_weight * perceptual", "0 * perceptual", DECODER),
    Mutant("xu-picture-counts-once", TASK, "weigh.image_weight * image", "image", DECODER),
    Mutant(
        "xu-encoder-thaws",
        TASK,
        '"model.network.transfer.decoder.*"',
        '"model.network.transfer.*"',
        DECODER,
    ),
    Mutant(
        "xu-random-encoder-passes",
        TASK,
        "not (self.start or self.allow_untrained)",
        "not (True or self.allow_untrained)",
        (f"{ZOO}::test_the_decoder_is_not_trained_for_a_random_encoder",),
    ),
    Mutant(
        "xu-neighbors-references",
        TASK,
        'foreign_references(reference, batch["seed"])',
        "reference.roll(1, 0)",
        SHARED,
    ),
    Mutant(
        "xu-neighbors-in-validation",
        TASK,
        "foreign_references(made, seeds)",
        "made.roll(1, 0)",
        (f"{ZOO}::test_validation_does_not_depend_on_the_batch",),
    ),
    Mutant("xu-never-transferred", TASK, "if extensions.transferred_share:", "if False:", EXPOSED),
    Mutant(
        "xu-grid-for-fewer",
        TASK,
        "share < extensions.transferred_share + extensions.grid_share",
        "share < extensions.grid_share",
        EXPOSED,
    ),
    Mutant(
        "xu-contents-mostly-wrong",
        TASK,
        "draws[:, 3:] < WRONG_SHARE",
        "draws[:, 3:] > WRONG_SHARE",
        (f"{STEPS}::test_the_encoder_step_is_a_transfer_from_the_pictures_own_colors",),
    ),
    Mutant(
        "any-mask-center-starts",
        "networks/hint_unet.py",
        "if theirs != (mask_center, AB_SCALE):",
        "if theirs is None:",
        STARTS,
    ),
)
