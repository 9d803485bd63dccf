"""Larsson et al. 2016: the authors' training files."""

from training_recipes.recipe import Recipe

_FALLS = {0: 1.0, 999_999: 1.0, 1_000_000: 0.1, 1_500_000: 0.01, 1_750_000: 0.001, 1_999_999: 0.001}

RECIPES = (
    Recipe(
        config="larsson2016/paper.yaml",
        source="fact sheet, section 5: solver_vgg16.prototxt, train_vgg16.prototxt and the data layer",
        rates={step: 1e-3 * share for step, share in _FALLS.items()},
        matching_rates={step: 2e-3 * share for step, share in _FALLS.items()},
        optimizer="SGD", weight_decay=5e-4, batch=8, steps=2_000_000,
        settings={
            "width": 1.0, "mean": 0.4488, "normalization": True, "dropout": 0.5, "places": 128,
            "margin": 96, "window": 7, "hue_weight": 5.0,
        },
    ),
)  # fmt: skip
