"""Li et al. 2018."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="li2018/decoders.yaml",
        source="fact sheet, section 9: both squared errors with weight 1, encoders fixed; the rest is ours",
        rates={0: 1e-4, 499: 1e-4},
        batch=8, epochs=5,
        settings={"width": 1.0, "feature_weight": 1.0},
        trains=("model.network.decoders.",),
    ),
)  # fmt: skip
