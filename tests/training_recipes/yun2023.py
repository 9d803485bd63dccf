"""Yun et al. 2023."""

from training_recipes.recipe import Recipe

_RISE = 15012  # three epochs of ImageNet in batches of 256


def icolorit(name: str, width: int, heads: int, epochs: int) -> Recipe:
    last = max(epochs * 100, _RISE + 1)  # an epoch has 100 steps here, so short runs end before the warm-up
    return Recipe(
        config=f"yun2023/{name}.yaml",
        source="fact sheet icolorit, sections 3 and 6 (the authors' train.py, engine.py, scripts/train.sh)",
        rates={0: 0.0, 1: 5e-4 / (_RISE - 1), _RISE - 1: 5e-4, _RISE: 5e-4, last: 1e-5},
        optimizer="AdamW", betas=(0.9, 0.95), weight_decay=0.05, batch=256, epochs=epochs,
        settings={
            "width": width, "heads": heads, "depth": 12, "patch": 16, "side": 224, "head": "convolution",
            "mask_center": 0.0, "delta": 0.01, "most_hints": 128,
        },
    )  # fmt: skip


RECIPES = (icolorit("base", 768, 12, 1000), icolorit("s", 384, 6, 100), icolorit("tiny", 192, 3, 25))
