"""Losses on color, on edges and of exemplar papers."""

from mutation import Mutant

COLOR, EXEMPLAR, EDGES = "losses/color.py", "losses/exemplar.py", "losses/edges.py"
ON_COLOR = ("tests/losses/test_color_losses.py",)
ON_EXEMPLAR = ("tests/losses/test_exemplar_losses.py",)
ON_EDGES = ("tests/losses/test_edge_losses.py",)

MUTANTS = (
    Mutant("huber-delta-ignored", COLOR, "beta=delta", "beta=1.0", ON_COLOR),
    Mutant(
        "grid-target-of-the-last-pixel",
        COLOR,
        "ab[:, :, ::stride, ::stride]",
        "ab[:, :, stride - 1 :: stride, stride - 1 :: stride]",
        ON_COLOR,
    ),
    Mutant("rebalancing-by-a-far-bin", COLOR, "[index[:, 0]]", "[index[:, -1]]", ON_COLOR),
    Mutant("gray-if-any-pixel-is", COLOR, ".flatten(1).any(dim=1)", ".flatten(1).all(dim=1)", ON_COLOR),
    Mutant(
        "gray-pictures-count", COLOR, "cross_entropy * weight * colorful", "cross_entropy * weight", ON_COLOR
    ),
    Mutant(
        "self-reference-counts-all",
        EXEMPLAR,
        "(sum_over_processes(chosen.sum()) + _EPSILON)",
        "len(chosen)",
        ON_EXEMPLAR,
    ),
    Mutant("smp-looks-at-the-matched", EXEMPLAR, "weight = 1 - F.interp", "weight = F.interp", ON_EXEMPLAR),
    Mutant("smp-teaches-similarity", EXEMPLAR, "similarity.detach()", "similarity", ON_EXEMPLAR),
    Mutant("smoothness-alpha-ignored", EXEMPLAR, "-distance / alpha", "-distance / 2.0", ON_EXEMPLAR),
    Mutant("contextual-bandwidth-ignored", EXEMPLAR, "/ bandwidth", "/ 0.1", ON_EXEMPLAR),
    Mutant("contextual-not-centered", EXEMPLAR, "F.normalize(part - center", "F.normalize(part", ON_EXEMPLAR),
    Mutant(
        "contextual-other-way", EXEMPLAR, 'every == "result" else 1', 'every != "result" else 1', ON_EXEMPLAR
    ),
    Mutant(
        "relativistic-one-margin", EXEMPLAR, "better_sum / count + 1)", "better_sum / count)", ON_EXEMPLAR
    ),
    Mutant("edge-scale-is-100", EDGES, "AB_SCALE = 110.0", "AB_SCALE = 100.0", ON_EDGES),
    Mutant("edge-mask-ignored", EDGES, "keepdim=True) * mask", "keepdim=True)", ON_EDGES),
    Mutant("edge-scales-summed", EDGES, "return total / scales", "return total", ON_EDGES),
    Mutant("edge-mask-thinned", EDGES, "mask = F.max_pool2d", "mask = F.avg_pool2d", ON_EDGES),
    Mutant(
        "edge-mask-grows-half",
        EDGES,
        "2 * reach + 1, stride=1, padding=reach",
        "reach, 1, reach // 2",
        ON_EDGES,
    ),
    Mutant(
        "chroma-weight-not-normed",
        COLOR,
        " / weight.mean(dim=(1, 2, 3), keepdim=True)",
        "",
        ("tests/steps/test_zhang2017.py::test_weights_of_colorful_pixels_are_ours_and_off_by_default",),
    ),
)
