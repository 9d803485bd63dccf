"""Su et al. 2020: the authors' training script."""

from training_recipes.recipe import Recipe

_COMMON = {
    "width": 1.0, "mask_center": 0.5, "delta": 1.0, "most_boxes": 8,
    "hints": 0.0,  # sample_p 1.0 of the script: no point is ever given
    "random_boxes": 0, "colorfulness": 0.0, "trunk": None,
}  # fmt: skip


def whole(stage: str) -> Recipe:
    return Recipe(
        config=f"su2020/{stage}.yaml",
        source="fact sheet, training: 100 epochs at 5e-4, then 50 in a line to 0; scripts/train.sh",
        rates={0: 5e-4, 9_999: 5e-4, 12_500: 5e-4 * (1 - 2500 / 5001), 15_000: 5e-4 / 5001},
        batch=16, epochs=150, stage=stage,
        settings=_COMMON,
        trains=(f"model.network.{stage}.",), fixed=(f"model.network.{stage}.class_head.",),
    )  # fmt: skip


RECIPES = (
    whole("full"),
    whole("instance"),
    Recipe(
        config="su2020/fusion.yaml",
        source="fact sheet, training: 10 epochs at 5e-5, then 20 in a line to 0",
        rates={0: 5e-5, 999: 5e-5, 2_000: 5e-5 * (1 - 1000 / 2001), 3_000: 5e-5 / 2001},
        batch=1, epochs=30, stage="fusion",
        settings=_COMMON,
        trains=("model.network.layers.", "model.network.fusion.block10.", "model.network.fusion.ab_head."),
    ),
)  # fmt: skip
