"""Model card of colorzoo2026_drawing."""

from __future__ import annotations

from colorzoo.card import DRAWING_LICENSES, ContractTestConfig, ModelCard, Weights

DRAWING = ModelCard(
    name="colorzoo2026_drawing",
    title="Colorzoo 2026 for drawings",
    paper="",  # there is no paper
    year=2026,
    summary="Colorizes a drawing; accepts points and references. Default for drawings; weights included.",
    task="colorzoo.zoo.colorzoo2026_drawing.task:Colorzoo2026DrawingTask",
    model="colorzoo.zoo.colorzoo2026_drawing.model:Colorzoo2026Drawing",
    parameters=4_921_757,
    guidance=("exemplar", "points"),
    input="sketch",
    output="rgb",
    weights={
        "default": Weights(
            sha256="b1fc08e5086274f6c69b8a8995225221011e0752219bd7bebc02592f6a6cc8d7",
            size=5009986,
            license="Apache-2.0",
            file="colorzoo2026_drawing.safetensors",
            data_license=DRAWING_LICENSES,
            trained_on="10,683 openly licensed drawings (see NOTICE), 402,304 crops of 128 to 256 pixels.",
        )
    },
    config="colorzoo2026_drawing/train.yaml",
    uses={"sketch": "Lower measured error than cho2023_small on drawn lines."},
    contract_test=ContractTestConfig(
        hparams={"stem": (4, 8), "widths": (16, 32, 32), "blocks": (1, 1, 1), "decoder": 16, "vector": 16},
        size=64,
    ),
)

CARDS = (DRAWING,)
