"""Ci et al. 2018: the authors' code."""

from training_recipes.recipe import Recipe

_RATES = {0: 1e-4, 124_999: 1e-4, 125_000: 1e-5, 249_999: 1e-5}

RECIPES = (
    Recipe(
        config="ci2018/paper.yaml",
        source="fact sheet, sections 6 and 7: config.yaml and train.py of orashi/AlacGAN",
        rates=_RATES,
        discriminator_rates=_RATES,
        betas=(0.5, 0.9), batch=4, steps=250_000,
        settings={
            "content_weight": 1.0, "adversarial_weight": 1e-4, "penalty_weight": 10.0, "drift_weight": 1e-3,
            "hints": 0.5, "width": 1.0, "blocks": [20, 8, 8, 5], "local_features": "illustration2vec",
            "discriminator_width": 1.0, "discriminator_side": 512,
        },
        fixed=("model.network.features.",),
    ),
)  # fmt: skip
