"""Model card of Xia et al. 2022."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard, Weights

FULL = ModelCard(
    name="xia2022",
    title="Disentangled Image Colorization via Global Anchors",
    paper="https://doi.org/10.1145/3550454.3555432",
    year=2022,
    summary="Colorizes an image from automatic colors of a few anchors, or from color points.",
    task="colorzoo.zoo.xia2022.task:Xia2022",
    model="colorzoo.zoo.xia2022.model:AnchorColorization",
    parameters=43_063_739,
    aliases=("disco",),
    guidance=("points",),
    weights={
        "published": Weights(
            sha256=None,
            size=499_000_000,  # computed: network weights and Adam state of the trained parameters
            license="MIT (the repository's)",
            code_license="MIT",
            urls=(
                "https://drive.usercontent.google.com/download?export=download&confirm=t&id=1J4vB6kG4xBLUUKpXr5IhnSSa4maXgRvQ",
            ),
            published=True,
            trained_on="ImageNet, by the authors (disco-beta.pth.tar).",
            no_hash="The authors replace the file: their README calls it 'kept updating'.",
        )
    },
    config="xia2022/paper.yaml",
    uses={"automatic": "Published network; the authors state FID only, without its protocol."},
    contract_test=ContractTestConfig(
        hparams={"width": 0.125, "dropout": 0.0},
        scales={"model.network.refinement.leave.weight": 0.02},
    ),
    limits=("export",),
)

CARDS = (FULL,)
