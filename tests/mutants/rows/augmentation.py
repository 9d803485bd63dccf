"""What training sees of its pictures, and where its numbers are."""

from mutation import Mutant

AUGMENT, MODULE = "data/augment.py", "data/module.py"
AUGMENTATION = "tests/training/test_augmentation.py"
RANGES = "tests/training/test_ranges.py"

MUTANTS = (
    Mutant(
        "crops-always-central",
        AUGMENT,
        "= (1 - sides) * (2 * draws[:, 1:3] - 1)",
        "= 0 * (1 - sides) * (2 * draws[:, 1:3] - 1)",
        (f"{AUGMENTATION}::test_windows_are_spread_over_the_picture",),
    ),
    Mutant(
        "windows-in-one-half",
        AUGMENT,
        "(2 * draws[:, 1:3] - 1)",
        "draws[:, 1:3]",
        (f"{AUGMENTATION}::test_windows_are_spread_over_the_picture",),
    ),
    Mutant(
        "never-mirrored",
        AUGMENT,
        "draws[:, 3] < 0.5, -1.0, 1.0",
        "draws[:, 3] < 0.0, -1.0, 1.0",
        (f"{AUGMENTATION}::test_half_of_the_pictures_are_mirrored_and_keep_their_shape",),
    ),
    Mutant(
        "mirrored-with-the-zoom",
        AUGMENT,
        "torch.where(draws[:, 3] < 0.5",
        "torch.where(draws[:, 0] < 0.3",
        (f"{AUGMENTATION}::test_half_of_the_pictures_are_mirrored_and_keep_their_shape",),
    ),
    Mutant(
        "zoom-always-the-smallest",
        AUGMENT,
        "scale = min_scale + (1 - min_scale) * draws[:, :1]",
        "scale = min_scale + 0 * draws[:, :1]",
        (f"{AUGMENTATION}::test_zooms_are_spread_over_their_range",),
    ),
    Mutant(
        "zoom-beyond-its-range",
        AUGMENT,
        "min_scale + (1 - min_scale) * draws[:, :1]",
        "min_scale * draws[:, :1]",
        (f"{AUGMENTATION}::test_zooms_are_spread_over_their_range",),
    ),
    Mutant(
        "sketch-stays-behind",
        AUGMENT,
        'for name in ("rgb", "sketch")',
        'for name in ("rgb",)',
        (f"{AUGMENTATION}::test_gray_color_classes_and_boxes_move_alike",),
    ),
    Mutant(
        "boxes-not-moved",
        AUGMENT,
        "* (2 / side) - 1 - shift) / scale",
        "* (2 / side) - 1) / scale",
        (f"{AUGMENTATION}::test_gray_color_classes_and_boxes_move_alike",),
    ),
    Mutant(
        "axes-of-the-zoom-differ",
        AUGMENT,
        "theta[:, 1, 1] = sides[:, 0] * mirror, sides[:, 1]",
        "theta[:, 1, 1] = sides[:, 0] * mirror, 0 * sides[:, 1] + 1",
        (f"{AUGMENTATION}::test_half_of_the_pictures_are_mirrored_and_keep_their_shape",),
    ),
    Mutant(
        "chroma-weights-of-other-pictures",
        "losses/color.py",
        "weight = 1 + colorfulness * torch.linalg.vector_norm(ab, dim=1, keepdim=True)",
        "weight = 1 + colorfulness * torch.linalg.vector_norm(ab.roll(1, 0), dim=1, keepdim=True)",
        (f"{AUGMENTATION}::test_chroma_weights_are_those_of_their_own_picture",),
    ),
    Mutant(
        "small-crops-in-the-second-part",
        MODULE,
        "< hp.first_share",
        ">= hp.first_share",
        (f"{AUGMENTATION}::test_the_first_part_of_a_run_takes_smaller_crops",),
    ),
    Mutant(
        "seeds-on-the-device",
        MODULE,
        '{**moved, "seed": batch["seed"]} if',
        "moved if",
        ("tests/training/test_synchronization.py::test_seeds_stay_on_the_host",),
    ),
    Mutant(
        "resize-below-crop-accepted",
        MODULE,
        "resize is not None and resize < (largest := max(_listed(crop)))",
        "False",
        (f"{RANGES}::test_a_wrong_value_is_one_line",),
    ),
    Mutant(
        "range-includes-its-open-end",
        "settings.py",
        "value > self.low if self.open else value >= self.low",
        "value >= self.low",
        (f"{RANGES}::test_a_wrong_value_is_one_line",),
    ),
)
