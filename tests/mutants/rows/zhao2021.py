"""Zhao et al. 2021."""

from mutation import Mutant

FOLDER = "zoo/zhao2021"
TASK, NETWORK, REFERENCES = f"{FOLDER}/task.py", f"{FOLDER}/network.py", f"{FOLDER}/references.py"
STEPS, ZOO = "tests/steps/test_zhao2021.py", "tests/zoo/test_zhao2021.py"
STEP = (f"{STEPS}::test_the_step",)
SHARED = (f"{STEPS}::test_a_step_does_not_depend_on_how_processes_share_a_batch_out",)
MODULATED = (f"{STEPS}::test_one_shared_convolution_is_a_weight_for_each_picture",)
PERCEPTUAL = (f"{STEPS}::test_the_perceptual_loss_of_a_vgg19_that_stays_as_it_is",)

MUTANTS = (
    Mutant(
        "c2e-encoder-for-nothing",
        f"{FOLDER}/model.py",
        "if exemplar.alpha == 1:",
        "if exemplar.alpha > 1:",
        (f"{ZOO}::test_a_whole_reference_needs_no_vector_of_the_picture",),
    ),
    Mutant("c2e-plain-l1", TASK, "F.smooth_l1_loss(ab", "F.l1_loss(ab", STEP),
    Mutant("c2e-loss-in-cie-units", TASK, "(ab / AB_SCALE, lab", "(ab, lab", STEP),
    Mutant(
        "c2e-perceptual-weight-ignored",
        TASK,
        "self.objective.perceptual_weight * self._distance",
        "1.0 * self._distance",
        STEP,
    ),
    Mutant("c2e-all-maps-alike", "losses/perceptual.py", "(a, b) / by for", "(a, b) for", PERCEPTUAL),
    Mutant(
        "c2e-encoder-judges",
        TASK,
        "if self.perceptual is None else self.perceptual.model",
        "if True else self.perceptual",
        PERCEPTUAL,
    ),
    Mutant(
        "c2e-vgg-frozen",
        "zoo/zhao2021/network.py",
        "self.channels = scaled_width(512, width)",
        "self.channels = scaled_width(512, width); self.layers.requires_grad_(False)",
        PERCEPTUAL,
    ),
    Mutant(
        "c2e-not-normalized",
        NETWORK,
        "return y * factor[..., None, None]",
        "return y * factor.new_ones(1)",
        MODULATED,
    ),
    Mutant(
        "c2e-outputs-scaled",
        NETWORK,
        "F.conv2d(x * style[..., None, None], weight",
        "F.conv2d(x, weight",
        MODULATED,
    ),
    Mutant(
        "c2e-references-of-the-batch",
        "zoo/zhao2021/task.py",
        'picture_generators(seeds, "referen")',
        'picture_generators(torch.arange(len(seeds)), "referen")',
        SHARED,
    ),
    Mutant(
        "c2e-never-redrawn",
        "networks/splines.py",
        "apart.argmax(dim=1)",
        "0 * apart.argmax(dim=1)",
        (f"{ZOO}::test_points_that_end_at_one_place_are_drawn_again",),
    ),
    Mutant(
        "c2e-spline-the-other-way",
        "networks/splines.py",
        "-moves[:, 2:, None]",
        "moves[:, 2:, None]",
        (f"{ZOO}::test_a_point_moves_where_the_spline_says",),
    ),
    Mutant(
        "c2e-random-features-judge",
        TASK,
        "elif not self.allow_untrained:",
        "elif False:",
        (f"{ZOO}::test_training_needs_a_vgg19",),
    ),
    Mutant(
        "c2e-any-twin",
        f"{FOLDER}/published.py",
        "not torch.equal(twin, original)",
        "False",
        (f"{ZOO}::test_only_their_file_is_taken",),
    ),
    Mutant(
        "c2e-look-of-any-size",
        "zoo/zhao2021/model.py",
        "self.architecture.reference_side, self.extensions.features",
        "None, self.extensions.features",
        (f"{ZOO}::test_looks_of_several_references_mix_and_are_refused_by_other_weights",),
    ),
    Mutant(
        "c2e-vectors-fade",
        "zoo/zhao2021/model.py",
        "            initialize_large(encoder.to_vector)\n",
        "            pass\n",
        (f"{ZOO}::test_vectors_of_borrowed_maps_differ_before_any_training",),
    ),
    Mutant(
        "c2e-gray-is-never-drawn",
        f"{FOLDER}/extensions.py",
        "draws < share",
        "draws < 0",
        (f"{STEPS}::test_a_share_of_the_references_loses_its_colors",),
    ),
)
