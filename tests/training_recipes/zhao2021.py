"""Zhao et al. 2021: the authors' code; the text of the paper was not available."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="zhao2021/paper.yaml",
        source="fact sheet, section 5: Adam 1e-4 constant, 8 GPUs by 8, 100,000 iterations, its VGG too",
        rates={0: 1e-4, 45_000: 1e-4, 99_999: 1e-4},
        betas=(0.9, 0.99), batch=64, steps=100_000,
        settings={"width": 1.0, "reference_side": 256, "perceptual_weight": 0.1},
    ),
)  # fmt: skip
