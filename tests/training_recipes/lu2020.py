"""Lu et al. 2020."""

from training_recipes.recipe import Recipe

_SOURCE = "fact sheet gray2colornet, section 6: numbers of a re-implementation by others, marked 3P"
_NETWORK = {
    "width": 1.0, "reference_side": 128, "classes": 1000, "tau": 0.01, "pixel_weight": 1000.0,
    "variation_weight": 10.0, "class_weight": 1.0, "adversarial_weight": 0.1, "discriminator_width": 1.0,
}  # fmt: skip

RECIPES = (
    Recipe(
        config="lu2020/body.yaml",
        source=_SOURCE,
        rates={0: 2e-4, 999: 2e-4},
        discriminator_rates={0: 2e-4, 999: 2e-4},
        batch=48, epochs=10, stage="body",
        settings={**_NETWORK, "histogram_weight": 0.0},
        fixed=("model.network.histogram.", "model.network.colors.", "model.network.gate."),
    ),
    Recipe(
        config="lu2020/paper.yaml",
        source=_SOURCE,
        rates={0: 2e-4, 999: 2e-4},
        discriminator_rates={0: 2e-4, 999: 2e-4},
        batch=12, epochs=10,
        settings={**_NETWORK, "histogram_weight": 1.0},
    ),
)  # fmt: skip
