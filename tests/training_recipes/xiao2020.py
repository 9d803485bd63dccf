"""Xiao et al. 2020: the authors' Caffe files."""

from training_recipes.recipe import Recipe

RECIPES = tuple(
    Recipe(
        config=f"xiao2020/{stage}.yaml",
        source="fact sheet, section 4: Caffe's Adam, 3.16e-5 constant, decay of all 0.001, 200,000 of 5",
        rates={0: 3.16e-5, 199_999: 3.16e-5},
        betas=(0.9, 0.99), weight_decay=1e-3, batch=5, steps=200_000, stage=stage,
        settings={"width": 1.0, "uniform": 0.5},
        trains=(f"model.network.{stage}.",),
    )
    for stage in ("first", "later")
)  # fmt: skip
