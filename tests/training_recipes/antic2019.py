"""DeOldify: the notebooks ColorizeTrainingArtistic and ColorizeTrainingStable."""

from typing import Any

from training_recipes.recipe import Recipe

_ARTISTIC = {
    "encoder": "resnet34", "decoder": "deep", "nf_factor": 1.5, "width": 1.0, "discriminator_width": 1.0,
}  # fmt: skip
_STABLE = {
    "encoder": "resnet101", "decoder": "wide", "nf_factor": 2.0, "width": 1.0, "discriminator_width": 1.0,
}  # fmt: skip
_LAYERS = [20.0, 70.0, 10.0]
_EPOCH = 14_559  # batches of 88 images of ImageNet
_FROZEN = (".conv1.weight", ".conv2.weight", ".conv3.weight", ".downsample.0.weight")


class _NormsOnly(Recipe):
    """Recipe that trains only the BatchNorm layers of the encoder."""

    def trained(self, name: str) -> bool:
        inside = name.startswith("model.network.encoder.")
        return name.startswith("model.network.") and not (inside and name.endswith(_FROZEN))


def phase(name: str, rates: tuple[float, float], start: float, batch: int, steps: int, **more: Any) -> Recipe:
    """Return a recipe of one cycle: a rise from 1/25 of the peak rates, if any, and a fall to almost zero.

    The first step is listed last, because reading a rate of `OneCycleLR` changes the momentum too.
    """
    peak = round(start * steps - 1)
    first = 25 if peak > 0 else 1
    low, high = ({max(peak, 0): rate, steps - 1: rate / 25 / 1e4, 0: rate / first} for rate in rates)
    more = {"settings": {**_ARTISTIC, "layer_weights": _LAYERS}, **more}
    kind = _NormsOnly if name.endswith("frozen_64") and "unfrozen" not in name else Recipe
    return kind(
        config=f"antic2019/{name}.yaml",
        source="fact sheet, section 5: ColorizeTrainingArtistic and ColorizeTrainingStable",
        rates=low,
        matching_rates=high,
        optimizer="AdamW", betas=(0.95, 0.99), weight_decay=1e-3, batch=batch, steps=steps,
        **more,
    )  # fmt: skip


def gan_phase(name: str, rate: float, batch: int, steps: int, settings: Any) -> Recipe:
    return Recipe(
        config=f"antic2019/{name}.yaml",
        source="fact sheet, section 5: GAN, rate of the critic five times the generator's",
        rates={0: rate, steps: rate},
        discriminator_rates={0: 5 * rate, steps: 5 * rate},
        optimizer="AdamW", betas=(0.0, 0.9), weight_decay=1e-3, batch=batch, steps=steps, stage="gan",
        settings={
            **settings, "layer_weights": _LAYERS, "adversarial_weight": 1.0,
            "discriminator_threshold": 0.65,
        },
    )  # fmt: skip


def critic_phase(name: str, rate: float, batch: int, steps: int) -> Recipe:
    settings = {"settings": _ARTISTIC, "stage": "critic", "trains": ("discriminator.",)}
    return phase(name, (rate, rate), 0.3, batch, steps, **settings)


RECIPES = (
    phase("frozen_64", (1e-3, 1e-3), 0.8, 88, _EPOCH, stage="frozen"),
    phase("unfrozen_64", (3e-7, 3e-4), 1e-8, 88, _EPOCH, stage="unfrozen"),
    phase("unfrozen_128", (1e-7, 1e-4), 1e-8, 22, 58_235, stage="unfrozen"),
    phase("unfrozen_192", (5e-8, 5e-5), 1e-8, 11, 58_235, stage="unfrozen"),
    phase(
        "stable_frozen_64",
        (1e-3, 1e-3),
        0.8,
        88,
        _EPOCH,
        stage="frozen",
        settings={**_STABLE, "layer_weights": _LAYERS},
    ),
    critic_phase("critic_128", 1e-3, 32, 20_424),  # 64 images: half of them in generated colors
    critic_phase("critic_192", 1e-4, 8, 54_452),
    gan_phase("gan", 1e-5, 9, 4_271, {**_ARTISTIC, "content_weight": 2.0}),
    gan_phase("stable_gan", 2e-5, 5, 7_687, {**_STABLE, "content_weight": 1.5}),
)
