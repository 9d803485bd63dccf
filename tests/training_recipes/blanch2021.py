"""Gorriz Blanch et al. 2021."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="blanch2021/paper.yaml",
        source="fact sheet xcnet, sections 5 and 8: the authors' config and training loop",
        rates={0: 1e-5, 8999: 1e-5},
        discriminator_rates={0: 1e-5, 8999: 1e-5},
        batch=12, epochs=90,
        settings={
            "width": 1.0, "side": 224, "attention": "axial", "positions": True, "passes": 2,
            "histogram_weight": 2.0, "pixel_weight": 100.0, "variation_weight": 50.0,
            "adversarial_weight": 1.0, "discriminator_width": 1.0,
        },
        fixed=("model.network.features.",),
    ),
)  # fmt: skip
