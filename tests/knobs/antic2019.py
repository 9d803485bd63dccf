"""DeOldify."""

from knobs.knob import Knobs

_TURNS = "of the stage gan, which wants trained weights; tests/steps/test_antic2019.py measures it"

KNOBS = {
    "antic2019": Knobs(
        values={
            "encoder": "resnet34",
            "decoder": "wide",
            "width": 0.25,
        },
        exempt={
            "render_factor": "not of training; tests/zoo/test_antic2019.py colors with two",
            "stage": "others want weights; tests/steps/test_antic2019.py tells what each moves",
            "discriminator_width": _TURNS,
            "content_weight": _TURNS,
            "adversarial_weight": _TURNS,
            "discriminator_threshold": _TURNS,
            "layer_weights": "want VGG-16; tests/steps/test_antic2019.py measures them",
            "encoder_weights": "a file of torchvision; tests/zoo/test_antic2019.py begins with one",
            "vgg_weights": "a file of torchvision; tests/zoo/test_antic2019.py begins with one",
        },
        size=32,
        steps=2,
    )
}
