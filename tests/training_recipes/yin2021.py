"""Yin et al. 2021."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="yin2021/paper.yaml",
        source="fact sheets yin2021, section 6, and gray2colornet, section 6, marked 3P",
        rates={0: 2e-4, 999: 2e-4},
        discriminator_rates={0: 2e-4, 999: 2e-4},
        batch=8, epochs=10,
        settings={
            "width": 1.0, "reference_side": 256, "classes": 1000, "tau": 0.01, "dropout": 0.1,
            "pixel_weight": 1000.0, "histogram_weight": 1.0, "variation_weight": 10.0, "class_weight": 1.0,
            "adversarial_weight": 0.1, "discriminator_width": 1.0,
        },
    ),
)  # fmt: skip
