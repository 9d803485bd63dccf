"""Zhang et al. 2017."""

from training_recipes.recipe import Recipe

_COMMON = {
    "width": 1.0,
    "regression_weight": 0.090909,  # 10 on ab / 110
    "classification_weight": 1.0, "delta": 1.0, "stop_probability": 1 / 8, "hint_attention": False,
    "colorfulness": 0.0, "many": 0.0,
}  # fmt: skip


def local(name: str, stage: str, rate: float, epochs: int, hints: float) -> Recipe:
    return Recipe(
        config=f"zhang2017/{name}.yaml",
        source="scripts/train_siggraph.sh of the authors' colorization-pytorch; section 3",
        rates={0: rate, epochs * 100 - 1: rate},
        batch=25, epochs=epochs, stage=stage,
        settings={**_COMMON, "hints": hints},
    )  # fmt: skip


RECIPES = (
    local("local_bootstrap", "classification", 1e-4, 100, 0.0),
    local("local_classification", "classification", 1e-4, 15, 0.0),
    local("local", "regression", 1e-5, 10, 1.0),
    local("local_finish", "regression", 1e-6, 5, 1.0),
    Recipe(
        config="zhang2017/global.yaml",
        source="not published; follows the regression stage of Local Hints",
        rates={0: 1e-5, 999: 1e-5},
        batch=25, epochs=10,
        settings={"width": 1.0, "delta": 1.0, "trunk": None},
    ),
)  # fmt: skip
