"""He et al. 2018."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="he2018/paper.yaml",
        source="fact sheet, section 7: Adam 1e-3, decayed; 10 epochs of 700,000 pairs in batches of 256",
        rates={0: 1e-3, 9_114: 1e-3, 9_115: 1e-4, 18_230: 1e-5},
        batch=256, epochs=10,
        settings={
            "width": 1.0, "color_width": 1.0, "perceptual_weight": 0.005, "perceptual_share": 0.5,
        },
        trains=("model.network.",),
    ),
)  # fmt: skip
