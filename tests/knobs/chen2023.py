"""SPColor, Chen et al. 2023."""

from knobs.knob import Knobs

KNOBS = {
    "chen2023": Knobs(
        base={
            "contextual_weight": 0.3,
            "truth_weight": 0.5,
            "warp_weight": 0.5,
        },
        values={
            "segmenter": None,
            "merging": "post",
            "classes": 4,
            "reference_input": "normalized_twice",
            "unrelated": "automatic",
            "width": 0.1875,
            "color_width": 0.25,
            "discriminator_width": 0.1875,
            "hide_classes": 0.5,
            "one_class": 1.0,
            "without_reference": 1.0,
            "tau": 0.1,
        },
        exempt={
            "features": "no other is trained here; tests/zoo/test_exemplar_training.py asks for one",
            "segmented_target": "clusters see lightness alone; tests/zoo/test_chen2023_step.py shows it",
            "segmenter_weights": "takes a file; tests/zoo/test_chen2023.py gives it one",
            "start": "takes a trained model; tests/zoo/test_exemplar_training.py copies one",
            "matching_lr": "moves weights after the step; tests/zoo/test_exemplar_training.py measures it",
        },
        size=48,
        steps=2,
    )
}
