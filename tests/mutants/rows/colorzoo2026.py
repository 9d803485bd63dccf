"""colorzoo2026: losses, points as observations, and which parameters take which optimizer."""

from mutation import Mutant

TASK, POINTS, MODEL = (f"zoo/colorzoo2026/{name}.py" for name in ("task", "points", "model"))
NETWORK = "zoo/colorzoo2026/network.py"
STATISTICS = "zoo/colorzoo2026/statistics.py"
STEP = ("tests/steps/test_colorzoo2026.py",)
ON_STATISTICS = ("tests/zoo/test_colorzoo2026_statistics.py",)
AGREEMENT = "zoo/colorzoo2026/agreement.py"
ON_AGREEMENT = ("tests/zoo/test_colorzoo2026_agreement.py",)
ENCODER = "networks/imagenet_encoder.py"
ON_ENCODER = ("tests/networks/test_imagenet_encoder.py",)
THINGS = "networks/thing_network.py"
ON_THINGS = ("tests/inference/test_selection.py",)

MUTANTS = (
    Mutant(
        "colorzoo2026-truth-swapped",
        TASK,
        "F.avg_pool2d(lab[:, 1:], STRIDE)",
        "F.avg_pool2d(lab[:, [2, 1]], STRIDE)",
        STEP,
    ),
    Mutant(
        "colorzoo2026-truth-in-other-units",
        TASK,
        "permute(0, 2, 3, 1) / AB_SCALE",
        "permute(0, 2, 3, 1) / 55.0",
        STEP,
    ),
    Mutant("colorzoo2026-scale-of-ab", NETWORK, "AB_SCALE = 50.0", "AB_SCALE = 60.0", STEP),
    Mutant(
        "colorzoo2026-truth-of-a-corner",
        TASK,
        "F.avg_pool2d(lab[:, 1:], STRIDE)",
        "lab[:, 1:, ::4, ::4]",
        STEP,
    ),
    Mutant(
        "colorzoo2026-truth-transposed", TASK, "truth.permute(0, 2, 3, 1)", "truth.permute(0, 3, 2, 1)", STEP
    ),
    Mutant(
        "colorzoo2026-before-not-detached",
        TASK,
        "take_cells(missing, queries).detach()",
        "take_cells(missing, queries)",
        STEP,
    ),
    Mutant(
        "colorzoo2026-after-not-detached",
        TASK,
        "found.change, queries).detach()",
        "found.change, queries)",
        STEP,
    ),
    Mutant("colorzoo2026-queries-are-points", TASK, '_QUERIES, "queries")', '_QUERIES, "points")', STEP),
    Mutant("colorzoo2026-fewer-queries", TASK, "_QUERIES = 48", "_QUERIES = 32", STEP),
    Mutant("colorzoo2026-fewer-points", TASK, "_MOST_POINTS = 64", "_MOST_POINTS = 48", STEP),
    Mutant("colorzoo2026-log-prior-subtracted", TASK, "+ prior.log()", "- prior.log()", STEP),
    Mutant("colorzoo2026-log-variance-subtracted", TASK, "+ variance.log()", "- variance.log()", STEP),
    Mutant(
        "colorzoo2026-likelihood-subtracted", TASK, "before / prior + after", "before / prior - after", STEP
    ),
    Mutant("colorzoo2026-likelihood-not-halved", TASK, "after / variance) / 2", "after / variance)", STEP),
    Mutant(
        "colorzoo2026-likelihood-of-one-channel",
        TASK,
        "queries).detach().square().sum(-1)\n        after",
        "queries).detach().square().mean(-1)\n        after",
        STEP,
    ),
    Mutant("colorzoo2026-labels-not-smoothed", TASK, "label_smoothing=0.1", "label_smoothing=0.0", STEP),
    Mutant("colorzoo2026-labels-smoothed-more", TASK, "label_smoothing=0.1", "label_smoothing=0.15", STEP),
    Mutant("colorzoo2026-classes-unweighted", TASK, "getattr(weigh, name) * value", "value", STEP),
    Mutant("colorzoo2026-colors-weigh-less", TASK, "colors: Weight = 3.0", "colors: Weight = 2.0", STEP),
    Mutant(
        "colorzoo2026-delta-of-points", TASK, "target, beta=self.objective.delta)", "target, beta=1.0)", STEP
    ),
    Mutant("colorzoo2026-delta-of-colors", TASK, "target, beta=weigh.delta)", "target)", STEP),
    Mutant(
        "colorzoo2026-points-without-the-answer",
        TASK,
        "analysis.mean + found.change, target",
        "found.change, target",
        STEP,
    ),
    Mutant(
        "colorzoo2026-points-of-the-truth",
        TASK,
        "take_cells(missing, index), given)",
        "take_cells(target, index), given)",
        STEP,
    ),
    Mutant(
        "colorzoo2026-all-points-given", TASK, "[None] < count).float()", "[None] <= count).float()", STEP
    ),
    Mutant("colorzoo2026-the-number-chooses-cells", TASK, "draws[:, 1:].topk", "draws[:, :-1].topk", STEP),
    Mutant(
        "colorzoo2026-number-of-points-uniform",
        TASK,
        "torch.exp(draws[:, :1] * math.log(most + 1))",
        "(draws[:, :1] * (most + 1))",
        STEP,
    ),
    Mutant("colorzoo2026-classes-by-muon", TASK, '"network.classes", ', "", STEP),
    Mutant(
        "colorzoo2026-variance-not-reduced",
        POINTS,
        "prior - explained.square().sum(1)",
        "prior + explained.square().sum(1)",
        STEP,
    ),
    Mutant(
        "colorzoo2026-prior-without-noise", POINTS, ".square().sum(-1) + noise", ".square().sum(-1)", STEP
    ),
    Mutant(
        "colorzoo2026-noise-is-a-deviation",
        POINTS,
        "(2 * self.log_noise).exp()",
        "self.log_noise.exp()",
        STEP,
    ),
    Mutant(
        "colorzoo2026-distance-not-halved",
        POINTS,
        "amplitude - 0.5 * place.square()",
        "amplitude - place.square()",
        STEP,
    ),
    Mutant(
        "colorzoo2026-reach-multiplied",
        POINTS,
        "position / self.log_reach.exp()",
        "position * self.log_reach.exp()",
        STEP,
    ),
    Mutant(
        "colorzoo2026-lightness-in-other-units",
        MODEL,
        "scaled_lightness(light)",
        "scaled_lightness(100 - light)",
        STEP,
    ),
    Mutant(
        "colorzoo2026-answer-in-other-units",
        MODEL,
        "enlarge_along_edges(AB_SCALE * _maps",
        "enlarge_along_edges(100 * _maps",
        STEP,
    ),
    Mutant(
        "colorzoo2026-answer-swapped",
        MODEL,
        "_maps(mean, analysis.grid), analysis.light",
        "_maps(mean.flip(-1), analysis.grid), analysis.light",
        STEP,
    ),
    Mutant(
        "colorzoo2026-validation-points-everywhere",
        "training/module.py",
        'picture_generators(seeds, "points"))\n        return Guidance',
        'picture_generators(seeds * 0, "points"))\n        return Guidance',
        STEP,
    ),
    Mutant(
        "colorzoo2026-histogram-fitted-once",
        STATISTICS,
        "range(_ROUNDS)",
        "range(1)",
        ON_STATISTICS,
    ),
    Mutant(
        "colorzoo2026-unknown-histogram-fitted",
        STATISTICS,
        "known = histogram.sum(dim=2, keepdim=True) > 0",
        "known = histogram.sum(dim=2, keepdim=True) >= 0",
        ON_STATISTICS,
    ),
    Mutant(
        "colorzoo2026-unknown-saturation-met",
        STATISTICS,
        "torch.where(saturation >= 0, scaled, mean)",
        "torch.where(saturation >= -1, scaled, mean)",
        ON_STATISTICS,
    ),
    Mutant(
        "colorzoo2026-edits-forget-statistics",
        MODEL,
        "found = self._automatic(automatic.analysis, lightness, guidance)",
        "found = self._automatic(automatic.analysis, lightness, None)",
        ON_STATISTICS,
    ),
    Mutant(
        "colorzoo2026-cells-do-not-agree",
        MODEL,
        "mean = agree(found.mean, found.logits, found.cells, found.grid, self.centers)",
        "mean = found.mean",
        ON_AGREEMENT,
    ),
    Mutant(
        "colorzoo2026-memory-of-elements",
        MODEL,
        "tensor.numel() * tensor.element_size()",
        "tensor.numel() / tensor.element_size()",
        ("tests/zoo/test_colorzoo2026.py::test_a_distribution_states_the_memory_that_it_holds",),
    ),
    Mutant(
        "colorzoo2026-likeness-of-no-picture",
        "engines/export.py",
        "torch.zeros(1, 1, 4 * places.shape[2] - 3",
        "torch.zeros(0, 1, 4 * places.shape[2] - 3",
        ("tests/zoo/test_colorzoo2026.py::test_a_graph_compares_places_as_the_model_does",),
    ),
    Mutant("colorzoo2026-colors-stay-pale", MODEL, "mean=enliven(mean)", "mean=mean", ON_AGREEMENT),
    Mutant("colorzoo2026-colorfulness", AGREEMENT, "COLORFULNESS = 1.42", "COLORFULNESS = 1.3", ON_AGREEMENT),
    Mutant("colorzoo2026-chroma-exponent", AGREEMENT, "EXPONENT = 0.85", "EXPONENT = 0.9", ON_AGREEMENT),
    Mutant("colorzoo2026-chroma-pivot", AGREEMENT, "\nCHROMA = 0.25", "\nCHROMA = 0.3", ON_AGREEMENT),
    Mutant(
        "colorzoo2026-least-chroma", AGREEMENT, "LEAST_CHROMA = 0.02", "LEAST_CHROMA = 0.04", ON_AGREEMENT
    ),
    Mutant(
        "colorzoo2026-agreement-of-probabilities",
        AGREEMENT,
        "_pool(logits.log_softmax(-1), grid)",
        "_pool(logits.softmax(-1), grid)",
        ON_AGREEMENT,
    ),
    Mutant(
        "colorzoo2026-agreement-of-all-cells",
        AGREEMENT,
        "** SHARPNESS",
        "** 0.0",
        ON_AGREEMENT,
    ),
    Mutant(
        "colorzoo2026-agreement-blind-to-differences",
        AGREEMENT,
        "decided + mean - shared[..., bins : bins + 2]",
        "decided",
        ON_AGREEMENT,
    ),
    Mutant(
        "encoder-pads-before",
        ENCODER,
        "before, after = (kernel - 2) // 2, (kernel - 1) // 2",
        "before, after = (kernel - 1) // 2, (kernel - 2) // 2",
        ON_ENCODER,
    ),
    Mutant(
        "encoder-forgets-epsilon",
        ENCODER,
        "(variance + _EPSILON)",
        "(variance + 0.1)",
        ON_ENCODER,
    ),
    Mutant(
        "encoder-sees-other-lightness",
        ENCODER,
        "lightness * 2.55 - 127",
        "lightness * 2.0 - 127",
        ON_ENCODER,
    ),
    Mutant(
        "things-spreads",
        THINGS,
        "_SPREADS = (0.02,",
        "_SPREADS = (0.2,",
        ON_THINGS,
    ),
    Mutant(
        "things-scores-ignored",
        THINGS,
        "active.mean((2, 3)), inside.flatten(1)",
        "active.mean((2, 3)), 0 * inside.flatten(1)",
        ON_THINGS,
    ),
    Mutant(
        "things-place-moved",
        THINGS,
        "(2 * places - 1)",
        "places",
        ON_THINGS,
    ),
    Mutant(
        "things-product",
        THINGS,
        "embedded * at / 4",
        "embedded * at",
        ON_THINGS,
    ),
    Mutant(
        "things-blocks",
        THINGS,
        "coarse = coarse + block(F.relu(coarse))",
        "coarse = coarse",
        ON_THINGS,
    ),
    Mutant(
        "things-dilation",
        THINGS,
        "ResidualBlock(wide, dilation=2)",
        "ResidualBlock(wide)",
        ON_THINGS,
    ),
    Mutant(
        "things-whole-picture",
        THINGS,
        "wide + self.from_vector(features.vector)[:, :, None, None]",
        "wide",
        ON_THINGS,
    ),
)
