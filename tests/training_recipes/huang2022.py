"""UniColor: the authors' configurations, from the fact sheet's sections 2 and 3."""

from typing import Any

from training_recipes.recipe import Recipe

_VQGAN = {
    "channels": 128, "multipliers": [1, 1, 2, 2, 4], "attention": [4], "blocks": 2, "latent": 512,
    "code_width": 512, "codes": 4096,
}  # fmt: skip
_TRANSFORMER = {"embedding": 512, "heads": 16, "layers": 24, "rows": 16, "columns": 16}
_USERS = {"everything": 0.05, "fewest": 16, "strokes": 16, "hinted": 0.7}
_LOSS = {"perceptual_weight": 1.0, "codebook_weight": 1.0, "adversarial_weight": 0.8}


def codes(data: str, rate: float, batch: int, start: int) -> Recipe:
    return Recipe(
        config=f"huang2022/vqgan_{data}.yaml",
        source="fact sheet, section 2: training; the length is ours",
        rates={0: rate, 300_000: rate},
        discriminator_rates={0: rate, 300_000: rate},
        betas=(0.5, 0.9), batch=batch, steps=320_000,
        settings={**_VQGAN, **_TRANSFORMER, **_LOSS, "disc_start": start, "discriminator_width": 1.0},
        trains=("model.network.vqgan.",),
    )  # fmt: skip


def transformer(data: str, rate: float, batch: int, fall: int, steps: int, **more: Any) -> Recipe:
    return Recipe(
        config=f"huang2022/{data}.yaml",
        source="fact sheet, section 3: optimizer",
        rates={0: rate, fall - 1: rate, fall: rate / 10, steps - 1: rate / 10},
        optimizer="AdamW", betas=(0.9, 0.95), weight_decay=0.01, batch=batch, steps=steps,
        settings={**_VQGAN, **_TRANSFORMER, **_USERS, **more},
        trains=("model.network.transformer.",),
    )  # fmt: skip


RECIPES = (
    codes("imagenet", 5.12e-5, 8 * 4, 6001),
    codes("coco", 7.5e-5, 6 * 4, 5001),
    transformer("imagenet", 1.6e-6 * 16 * 4 * 2, 16 * 4 * 2, 94_750, 142_125),
    transformer("coco", 3e-6 * 16 * 4, 16 * 4, 180_000, 260_000),
)
