"""Lee et al. 2020: values of a re-implementation, because the authors published none."""

from training_recipes.recipe import Recipe

RECIPES = (
    Recipe(
        config="lee2020/paper.yaml",
        source="fact sheet, sections 3 and 4: config.yml of kunkun0w0/SGA; others have the triplet loss",
        rates={0: 1e-4, 3_999: 1e-4},
        discriminator_rates={0: 2e-4, 3_999: 2e-4},
        betas=(0.5, 0.999), batch=16, epochs=40,
        settings={
            "adversarial_weight": 1.0, "reconstruction_weight": 30.0, "perceptual_weight": 0.01,
            "style_weight": 50.0, "triplet_weight": 1.0, "margin": 12.0, "width": 1.0,
            "discriminator_width": 1.0,
        },
    ),
)  # fmt: skip
