"""Kim et al. 2021; the slides state the losses, but neither their weights nor the optimizer."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="kim2021/paper.yaml",
        source="fact sheet, sections 2 to 5: our choices, marked [NP] there",
        rates={0: 1e-4, 499: 1e-4},
        batch=16, epochs=5,
        settings={
            "con_weight": 1.0, "reg_weight": 0.1, "empty": 0.1, "strokes": 5,
            "jitter": 2.0, "lost": 0.3, "reach": None, "propagation": 0, "relative": False,
            "color_weight": 0.0, "hold_weight": 0.0,
        },
    ),
)  # fmt: skip
