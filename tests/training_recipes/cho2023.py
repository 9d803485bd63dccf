"""Cho et al. 2023."""

from training_recipes.recipe import Recipe

_RATES = {0: 2e-4, 10_000: 2e-4, 15_000: 2e-4 * 5001 / 10_001}  # the authors' rate falls once per epoch


def regions(name: str) -> Recipe:
    return Recipe(
        config=f"cho2023/{name}.yaml",
        source="fact sheet, sections 2 to 4: main.py and ask_model.py of the authors, sections 3.2 to 3.4",
        rates=_RATES,
        discriminator_rates=_RATES,
        batch=12, epochs=200,
        settings={
            "reconstruction_weight": 30.0, "variance_weight": 5.0, "smoothness_weight": 1.0,
            "adversarial_weight": 0.2, "smoothness_form": "eight_l1", "initial_temperature": 1.0,
            "final_temperature": 0.1, "stop_probability": 1 / 8, "width": 1.0, "segmenter_width": 1.0,
            "discriminator_width": 1.0, "pieces": False, "hint_residual": False,
        },
    )  # fmt: skip


RECIPES = (
    regions("paper"),
    regions("faces"),
    regions("webtoon"),
    Recipe(
        config="cho2023/points.yaml",
        source="ours: the control, trained as the paper trains regions",
        rates=_RATES,
        batch=12, epochs=200,
        settings={"reconstruction_weight": 30.0, "stop_probability": 1 / 8},
    ),
)  # fmt: skip
