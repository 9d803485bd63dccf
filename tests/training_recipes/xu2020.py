"""Xu et al. 2020: the paper's slides, and the authors' code where they are silent."""

from training_recipes.recipe import Recipe

_PAPER = {
    "width": 1.0, "backbone": None, "transfer_error": None, "places": ["encoder", "skip", "decoder"],
}  # fmt: skip
_COLOR = {**_PAPER, "stop_probability": 1 / 8}  # code: points are geometric, 12.5 % of the images have none
_COLOR_NET = {"trains": ("model.network.color.",), "fixed": ("model.network.color.unet.class_head.",)}

RECIPES = (
    Recipe(
        config="xu2020/color.yaml",
        source="fact sheet, section 6: rate and its change of the paper; batch of the code",
        rates={0: 1e-5, 320_289: 1e-5, 320_290: 1e-6, 640_000: 1e-6},  # 10 epochs of ImageNet by 40
        batch=40, epochs=20, stage="color",
        settings={**_COLOR, "hint_weight": 10.0, "delta": 1.0},
        **_COLOR_NET,
    ),
    Recipe(
        config="xu2020/decoder.yaml",
        source="fact sheet, section 6: 0.8 and 0.2, 1e-4 halved every 5 epochs, 88 epochs by their files",
        rates={0: 1e-4, 73_929: 1e-4, 73_930: 5e-5, 147_860: 2.5e-5, 17 * 73_930: 1e-4 / 2**17},  # COCO by 8
        batch=8, epochs=88, stage="decoder",
        settings={**_PAPER, "image_weight": 0.8, "perceptual_weight": 0.2},
        trains=("model.network.transfer.decoder.",),
    ),
)  # fmt: skip
