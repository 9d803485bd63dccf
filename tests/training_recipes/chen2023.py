"""SPColor, Chen et al. 2023."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="chen2023/paper.yaml",
        source="fact sheet spcolor, sections 2 to 5: paper, section IV-A; train_stego.py where it is silent",
        rates={0: 4e-4, 99_999: 4e-4, 100_000: 4e-5, 119_999: 4e-5},
        matching_rates={0: 2e-5, 99_999: 2e-5, 100_000: 2e-6, 119_999: 2e-6},
        discriminator_rates={0: 2e-4, 99_999: 2e-4, 100_000: 2e-5, 119_999: 2e-5},
        betas=(0.5, 0.999), batch=16, steps=120_000,
        settings={
            "features": "vgg19", "segmenter": "stego", "classes": 22,
            "width": 1.0, "color_width": 1.0, "discriminator_width": 1.0,
            "discriminator_layers": 6, "tau": 0.01, "l1_weight": 2.0,
            "perceptual_weight": 0.01, "semantic": True, "smooth_weight": 2.0, "smooth_alpha": 2.0,
            "adversarial_weight": 0.4, "contextual_weight": 0.0, "lightness_noise": 2.0,
            "truth_weight": 0.0, "warp_weight": 0.0, "gated": False, "unrelated": "zero",
            "without_reference": 0.0, "hide_classes": 0.0, "one_class": 0.0,
        },
        trains=("model.network.", "model.correspondence."),
    ),
)  # fmt: skip
