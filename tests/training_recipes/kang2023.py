"""Kang et al. 2023."""

from training_recipes.recipe import Recipe

# 1e-4, halved after 80,000 steps and then every 40,000 until 360,000
_RATES = {0: 1e-4, 79_999: 1e-4, 80_000: 5e-5, 119_999: 5e-5, 120_000: 2.5e-5, 399_999: 1e-4 / 2**8}


def published(name: str, size: str) -> Recipe:
    return Recipe(
        config=f"kang2023/{name}.yaml",
        source="fact sheet, section 7: train_ddcolor.yml and color_model.py of the authors, section 4.1",
        rates=_RATES,
        discriminator_rates=_RATES,
        optimizer="AdamW", betas=(0.9, 0.99), weight_decay=0.01, batch=16, steps=400_000,
        settings={
            "size": size, "width": 1.0, "depth": 1.0, "queries": 100, "layers": 9,
            "pretrained": f"convnext_{size}.fb_in22k", "pixel_weight": 0.1, "perceptual_weight": 5.0,
            "adversarial_weight": 1.0, "colorfulness_weight": 2.0, "saturation": 1.2,
            "discriminator_width": 1.0, "trunk": None, "chroma": 0.0,
        },
    )  # fmt: skip


RECIPES = (published("paper", "large"), published("tiny", "tiny"))
