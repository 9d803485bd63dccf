"""Zhang et al. 2016."""

from training_recipes.recipe import Recipe

_COMMON = {"width": 1.0, "temperature": 0.38, "uniform": 0.5}
_DECAY = 5.1653e-7  # 1e-3 in Caffe, which sums the loss over 44 x 44 positions
_ADAM = {"betas": (0.9, 0.99), "weight_decay": _DECAY, "batch": 40, "fixed": ("model.network.centers",)}

RECIPES = (
    Recipe(
        config="zhang2016/paper.yaml",
        source="paper, sections 2.1, 2.2 and 3.1",
        rates={0: 3e-5, 199_999: 3e-5, 200_000: 1e-5, 374_999: 1e-5, 375_000: 3e-6, 449_999: 3e-6},
        steps=450_000,
        settings={**_COMMON, "neighbors": 5},
        **_ADAM,
    ),
    Recipe(
        config="zhang2016/released.yaml",
        source="solver.prototxt and the train_val graph of the authors' Caffe branch",
        rates={0: 3e-5, 224_999: 3e-5, 225_000: 3e-6, 450_000: 3e-7, 499_999: 3e-7},
        steps=500_000,
        settings={**_COMMON, "neighbors": 10},
        **_ADAM,
    ),
)
