"""Bai et al. 2022."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="bai2022/paper.yaml",
        source="fact sheet sscn, sections 4 to 6: the authors' options and SSCNet.backward",
        rates={0: 1e-4, 499: 1e-4, 10_499: 1e-4 * 2 / 10_001},
        batch=8, epochs=105,
        settings={
            "width": 1.0, "side": 256, "classes": 1000, "important": 256, "scattered": 256,
            "rough_weight": 100.0, "fine_weight": 100.0, "class_weight": 0.1, "variation_weight": 10.0,
            "bin_weight": 1.0,
        },
    ),
)  # fmt: skip
