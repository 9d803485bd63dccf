"""Xia et al. 2022: the authors' code."""

from training_recipes.recipe import Recipe

_SUPERPIXELS = ("model.network.superpixels.",)

RECIPES = (
    Recipe(
        config="xia2022/superpixels.yaml",
        source="fact sheet, section 5: Adam 2e-4, 128 x 2 GPUs, 20 epochs of ImageNet",
        rates={0: 2e-4, 1_999: 2e-4},
        batch=256, epochs=20, stage="superpixels",
        settings={"width": 1.0},
        trains=_SUPERPIXELS,
    ),
    Recipe(
        config="xia2022/paper.yaml",
        source="fact sheet, section 5: Adam 2e-4, in a line to 1 % over 60 epochs, 24 x 4 GPUs, 5 VGG",
        rates={0: 2e-4, 400_350: 0.505 * 2e-4, 800_700: 2e-6},
        batch=96, epochs=60, stage="colors",
        settings={
            "width": 1.0, "dropout": 0.1, "anchors": 8, "colorfulness": 0.5, "perceptual_weight": 5.0,
        },
        fixed=_SUPERPIXELS,
    ),
)  # fmt: skip
