"""Model card of Gorriz Blanch et al. 2021."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard, Weights

_DROPBOX = "https://www.dropbox.com/s"


def _published(file: str, size: int, **hparams: bool) -> Weights:
    """Describe a published file; its size is computed from its tensors."""
    return Weights(
        sha256=None,
        size=size,
        license="not stated",
        code_license="GPL-3.0",
        urls=(f"{_DROPBOX}/{file}?dl=1",),
        published=True,
        hparams=hparams,
        trained_on="ImageNet, with references of the same class, at 224 pixels, by the authors.",
        no_hash="The authors publish no hash.",
    )


FULL = ModelCard(
    name="blanch2021",
    title="Attention-based Stylisation for Exemplar Image Colourisation",
    paper="https://arxiv.org/abs/2105.01705",
    year=2021,
    summary="Colorizes an image by attention to a reference at three scales, without warping.",
    task="colorzoo.zoo.blanch2021.task:Blanch2021",
    model="colorzoo.zoo.blanch2021.model:AttentionStylization",
    parameters=29_744_840,
    aliases=("xcnet",),
    guidance=("exemplar",),
    weights={
        "published": _published("ouy9ginorn2ccuw/xcnet_model.pth", 118_991_696),
        "no_positions": _published("tfszakdyrsfuvsm/xcnet_no_pos_model.pth", 118_892_880, positions=False),
    },
    config="blanch2021/paper.yaml",
    uses={"exemplar": "Ranked slightly below zhang2019 in Chen et al. 2023."},
    contract_test=ContractTestConfig(
        {"width": 0.125, "side": 32, "discriminator_width": 0.125},
        scales={f"model.network.heads.{index}.2.weight": 0.05 for index in range(4)},
    ),
)

CARDS = (FULL,)
