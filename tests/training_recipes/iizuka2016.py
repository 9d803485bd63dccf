"""Iizuka et al. 2016: the paper as quoted in the fact sheet."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="iizuka2016/paper.yaml",
        source="fact sheet, section 4: Adadelta at 1, batches of 128, 200,000 iterations, alpha 1/300",
        rates={0: 1.0, 100_000: 1.0, 199_999: 1.0},
        optimizer="Adadelta", batch=128, steps=200_000,
        settings={
            "width": 1.0, "scene_side": 224, "normalization": True, "classes": 205, "class_weight": 1 / 300,
        },
        trains=("model.network.", "classifier."),
    ),
)  # fmt: skip
