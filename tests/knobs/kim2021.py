"""Kim et al. 2021."""

from knobs.knob import Knobs

KNOBS = {
    "kim2021": Knobs(
        base={
            "backbone": "zhang2017_local_small",
            "hidden": (8,),
            "reach": 12,
            "propagation": 6,
            "edge_band": 1,
            "color_weight": 0.5,
            "hold_weight": 0.5,
            "hints": 1.0,
            "empty": 0.0,
        },
        values={
            "backbone": "zhang2016_small",
            "backbone_hparams": {"mask_center": 0.5},
            "hidden": (16,),
            "gradient": "magnitude",
            "stage": "propagation",
            "reach": None,
            "propagation": 0,
            "empty": 1.0,
            "hints": 0.0,
            "strokes": 1,
            "lost": 0.99,
            "jitter": 6.0,
        },
        exempt={
            "backbone_weights": "None is refused at fit; tests/zoo/test_kim2021.py",
        },
        size=48,
        batch=3,
    )
}
