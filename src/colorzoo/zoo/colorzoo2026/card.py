"""Model card of colorzoo2026."""

from __future__ import annotations

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

COLORZOO = ModelCard(
    name="colorzoo2026",
    title="Colorzoo 2026",
    paper="",  # there is no paper
    year=2026,
    summary="Colorizes an image; accepts points, references and statistics. Default; weights included.",
    task="colorzoo.zoo.colorzoo2026.task:Colorzoo2026Task",
    model="colorzoo.zoo.colorzoo2026.model:Colorzoo2026",
    parameters=8_070_460,
    guidance=("exemplar", "points", "statistics", "classes"),
    weights={
        "default": Weights(
            sha256="c6f976b76d6887395ed195510149da8179b33667ab170ab38fe7d032d039e30a",
            size=8164410,
            license="Apache-2.0",
            file="colorzoo2026.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="211,277 photos, 3,864,768 crops, together with an EfficientNet-Lite2 (ImageNet, "
            "Apache-2.0, a separate file). PSNR over gray at 0, 10 and 100 points: +2.03, +6.72 and "
            "+9.59 dB.",
            seen="seen_colorzoo2026.csv",
        )
    },
    config="colorzoo2026/train.yaml",
    uses={
        "automatic": "Lower measured error than zhang2017_local_small, confirmed by visual comparison.",
        "points": "Measured results better than zhang2017_local_small at every number of points.",
        "statistics": "Lower measured error than zhang2017_global_small with equal statistics.",
        "exemplar": "Lowest measured error of all models with included weights.",
    },
    contract_test=ContractTestConfig(
        hparams={"stem": (4, 8), "widths": (16, 32, 32), "blocks": (1, 1, 1), "decoder": 16, "vector": 16},
        size=64,
        # small outputs, because the contract tests bound rounding error in CIE units
        scales={
            "model.covariance.amplitude.weight": 0.1,
            "model.network.classes.weight": 0.3,
            "model.network.mean.weight": 0.3,
        },
    ),
)

CARDS = (COLORZOO,)
