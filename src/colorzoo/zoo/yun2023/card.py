"""Model cards of Yun et al. 2023 (iColoriT)."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ContractTestConfig, ModelCard, Weights

_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="


def _published(file: str, size: int) -> dict[str, Weights]:
    """Return the weights entry of a Google Drive file without published hash and size."""
    return {
        "published": Weights(
            sha256=None,
            size=size,
            license="not stated; the repository is MIT",
            code_license="MIT",
            urls=(f"{_DRIVE}{file}",),
            published=True,
            trained_on="ImageNet, by the authors.",
            no_hash="The authors publish no hash.",
        )
    }


BASE = ModelCard(
    name="yun2023",
    title="iColoriT: Towards Propagating Local Hint to the Right Region in Interactive Colorization by "
    "Leveraging Vision Transformer",
    paper="https://arxiv.org/abs/2207.06831",
    year=2023,
    summary="Colorizes an image; propagates color points by attention. The paper's base model.",
    task="colorzoo.zoo.yun2023.task:Yun2023",
    model="colorzoo.zoo.yun2023.model:IColoriT",
    parameters=89_478_416,
    aliases=("icolorit",),
    guidance=("points",),
    weights=_published("16i9ulB4VRbFLbLlAa7UjIQR6J334BeKW", 1_077_000_000),
    config="yun2023/base.yaml",
    contract_test=ContractTestConfig(
        hparams={"width": 48, "heads": 3, "depth": 2, "side": 32},
        scales={"model.network.head.conv.weight": 0.3},
    ),
)

SMALLER = replace(
    BASE,
    name="yun2023_s",
    summary="Colorizes an image; propagates color points by attention. iColoriT-S, half width.",
    parameters=23_505_800,
    aliases=("icolorit_s",),
    hparams={"width": 384, "heads": 6},
    weights=_published("1yKwFTQGDBvr9B7NIyXhxQH0K-BNlCs4L", 286_000_000),
    config="yun2023/s.yaml",
)

TINY = replace(
    BASE,
    name="yun2023_tiny",
    summary="Colorizes an image; propagates color points by attention. iColoriT-T, quarter width.",
    parameters=6_444_740,
    aliases=("icolorit_t",),
    hparams={"width": 192, "heads": 3},
    weights=_published("1GMmjfxAoM95cABwlZD8555WxI7nmIZrR", 81_000_000),
    config="yun2023/tiny.yaml",
)

CARDS = (BASE, SMALLER, TINY)
