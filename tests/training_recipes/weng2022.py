"""Weng et al. 2022."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="weng2022/paper.yaml",
        source="segm/train.py, segm/config.yml, segm/optim and README of the authors' code",
        rates={0: 1e-3, 12_800: 1e-5 + 9.9e-4 * 0.5**0.9},
        optimizer="SGD",
        batch=48,
        epochs=256,
        settings={"ranges": 4, "temperature": 0.38, "dropout": 0.1, "drop_path": 0.1, "neighbors": 5}
        | {"regression_weight": 10.0, "uniform": 0.5},
    ),
)
