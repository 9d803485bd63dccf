"""Zhang et al. 2019."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="zhang2019/paper.yaml",
        source="fact sheet spcolor, section 9; the authors' train.py (batch, epochs, optimizer)",
        rates={0: 2e-4, 3999: 2e-4},
        matching_rates={0: 1e-5, 3999: 1e-5},
        discriminator_rates={0: 2e-4, 3999: 2e-4},
        betas=(0.5, 0.999), batch=16, epochs=40,
        settings={
            "features": "vgg19", "width": 1.0, "color_width": 1.0, "discriminator_width": 1.0,
            "discriminator_layers": 6, "tau": 1e-10, "training_tau": 0.01, "l1_weight": 2.0,
            "perceptual_weight": 0.001, "semantic": False, "smooth_weight": 5.0, "smooth_alpha": 10.0,
            "adversarial_weight": 0.2, "contextual_weight": 0.2, "lightness_noise": 2.0,
            "truth_weight": 0.0, "warp_weight": 0.0, "gated": False, "unrelated": "zero", "donor": None,
        },
        trains=("model.network.", "model.correspondence."),
    ),
)  # fmt: skip
