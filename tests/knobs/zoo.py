"""Settings of the zoo's papers for the test that every setting changes a training step.

Exempt settings need files, trained weights or labels, or are not used in training; tests/steps and tests/zoo
test them.
"""

from knobs.knob import Knobs

KNOBS = {
    "antic2019": Knobs(
        values={"encoder": "resnet34", "decoder": "wide", "width": 0.25},
        exempt=(
            "render_factor", "stage", "discriminator_width", "content_weight", "adversarial_weight",
            "discriminator_threshold", "layer_weights",
        ),
        steps=2,
    ),
    "bai2022": Knobs(values={"width": 0.25, "side": 192}, exempt=("class_weight",)),
    "blanch2021": Knobs(
        values={
            "width": 0.25, "side": 48, "attention": "full", "positions": False, "discriminator_width": 0.25,
        },
    ),
    "chen2023": Knobs(
        base={"contextual_weight": 0.3, "truth_weight": 0.5, "warp_weight": 0.5},
        values={
            "segmenter": None, "classes": 4,
            "unrelated": "automatic", "width": 0.1875, "color_width": 0.25, "discriminator_width": 0.1875,
            "hide_classes": 0.5, "one_class": 1.0, "without_reference": 1.0, "tau": 0.1,
        },
        exempt=("features", "matching_lr"),
        size=48, steps=2,
    ),
    "cho2023": Knobs(
        base={
            "width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125,
            "initial_temperature": 2.0,
        },
        values={
            "width": 0.25, "segmenter_width": 0.25, "discriminator_width": 0.25,
            "smoothness_form": "four_l1", "segmenter_side": 16, "stop_probability": 0.9,
        },
        exempt=("pieces", "recolored", "needs"),
        steps=4,
    ),
    "cho2023_points": Knobs(
        base={"width": 0.125},
        values={"width": 0.25, "stop_probability": 0.9},
        batch=4,
    ),
    "ci2018": Knobs(
        base={"hints": 1.0},
        values={"width": 0.25, "blocks": (1, 1, 2, 1), "discriminator_width": 0.25, "hints": 0.0},
        exempt=("discriminator_side", "content_weight", "local_features"),
        size=64, steps=4,
    ),
    "ci2018_small": Knobs(
        base={"hints": 1.0},
        values={"width": 0.25, "blocks": (1, 1, 2, 1), "hints": 0.0, "local_features": "illustration2vec"},
        batch=16,
    ),
    "colorzoo2026": Knobs(
        values={
            "stem": (8, 8), "widths": (16, 32, 64), "blocks": (1, 2, 1), "heads": 3, "label_count": 5,
            "encoder": "imagenet",
        },
        exempt=("labels",),
    ),
    "colorzoo2026_drawing": Knobs(
        values={
            "stem": (8, 8), "widths": (16, 32, 64), "blocks": (1, 2, 1), "decoder": 32, "vector": 32,
            "embedding": 32, "hinted": 0.0, "stop_probability": 0.9, "copied": 0.0, "recolored": 1.0,
            "paired": 0.0, "paired_hinted": 1.0, "referenced": 0.0,
        },
        batch=16,
    ),
    "he2018": Knobs(
        values={"width": 0.25, "color_width": 0.25, "perceptual_share": 0.0},
        exempt=("perceptual_weight",),
    ),
    "huang2022": Knobs(
        base={"rows": 4, "columns": 4, "channels": 32, "heads": 4, "everything": 0.5},
        values={
            "channels": 64, "multipliers": (1, 1, 1, 1, 2), "attention": (3,), "embedding": 64, "heads": 2,
            "fewest": 14, "strokes": 1, "hinted": 0.0, "everything": 0.0,
        },
        # rows and columns must match the crop
        exempt=("top_k", "seed", "matcher", "matcher_weights", "matched_size", "rows", "columns"),
        size=64, batch=4,
    ),
    "iizuka2016": Knobs(values={"width": 0.25, "scene_side": 64}, exempt=("class_weight", "classes")),
    "kang2023": Knobs(
        base={"chroma": 0.5},
        values={
            "size": "large", "width": 0.1875, "depth": 0.6, "discriminator_width": 0.1875,
            "trunk": "zhang2017_local_small",
        },
        exempt=("perceptual_weight",),
        size=64, steps=2,
    ),
    "kim2021": Knobs(
        base={
            "backbone": "zhang2017_local_small", "hidden": (8,), "reach": 12, "propagation": 6,
            "edge_band": 1, "color_weight": 0.5, "hold_weight": 0.5, "hints": 1.0, "empty": 0.0,
        },
        values={
            "backbone": "zhang2016_small", "backbone_hparams": {"mask_center": 0.5}, "hidden": (16,),
            "reach": None, "propagation": 0, "empty": 1.0,
            "hints": 0.0, "strokes": 1, "lost": 0.99, "jitter": 6.0,
        },
        size=48, batch=3,
    ),
    "larsson2016": Knobs(values={"width": 0.125}, exempt=("chroma", "hue", "boost"), size=64),
    "lee2020": Knobs(
        values={"width": 0.25, "discriminator_width": 0.25},
        exempt=("perceptual_weight", "style_weight"),
        steps=4,
    ),
    "li2018": Knobs(values={"width": 0.25}, exempt=("smoothing", "last_filter")),
    "lu2020": Knobs(
        values={"width": 0.25, "reference_side": 64, "discriminator_width": 0.25, "stage": "body"},
        exempt=("class_weight",),
    ),
    "su2020": Knobs(
        base={"stage": "fusion", "colorfulness": 0.3, "hints": 0.5},
        values={"stage": "instance", "width": 0.25, "most_boxes": 1, "hints": 1.0},
        exempt=("random_boxes",),
        batch=8,
    ),
    "xia2022": Knobs(
        base={"anchors": 2, "dropout": 0.2},
        values={"width": 0.25, "stage": "superpixels"},
        exempt=("alternative", "seed", "perceptual_weight"),
        size=48,
    ),
    "xiao2020": Knobs(values={"width": 0.125, "stage": "later"}, exempt=("level",)),
    "xu2020": Knobs(
        values={"width": 0.25, "stage": "encoder"},
        exempt=("places", "transfer_error", "image_weight", "perceptual_weight"),
        batch=6,
    ),
    "yin2021": Knobs(
        values={"width": 0.25, "reference_side": 32, "dropout": 0.5, "discriminator_width": 0.25},
        exempt=("class_weight",),
    ),
    "yun2023": Knobs(
        values={
            "width": 96, "heads": 4, "patch": 8, "side": 64, "head": "linear", "most_hints": 3,
        },
    ),
    "zhang2016": Knobs(
        base={"width": 0.125},
        values={"width": 0.25},
    ),
    "zhang2017_local": Knobs(
        base={"width": 0.125, "init_std": None, "reveal_all": 0.3, "stage": "joint"},
        values={
            "width": 0.25, "init_std": 0.1, "stop_probability": 0.9, "hints": 0.0, "many": 1.0,
            "reveal_all": 1.0, "stage": "regression",
        },
        batch=8,
    ),
    "zhang2017_global": Knobs(
        base={"width": 0.125, "init_std": None, "histogram_share": 1.0, "saturation_share": 1.0},
        values={
            "width": 0.25, "init_std": 0.1, "histogram_share": 0.0, "saturation_share": 0.0,
            "trunk": "zhang2017_local_small",
        },
    ),
    "zhang2019": Knobs(
        base={"truth_weight": 0.5, "warp_weight": 0.5},
        values={
            "width": 0.1875, "color_width": 0.25, "discriminator_width": 0.1875, "last_kernel": (3, 6),
            "training_tau": 0.1, "colored": 1.0,
        },
        exempt=("features", "tau", "unrelated", "matching_lr"),
        size=48, batch=3, steps=2,
    ),
    "zhao2021": Knobs(
        values={"width": 0.25}, exempt=("reference_side", "perceptual_weight"),
    ),
}  # fmt: skip
