"""Model card of Zhao et al. 2021."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard, Weights

FULL = ModelCard(
    name="zhao2021",
    title="Color2Embed: Fast Exemplar-Based Image Colorization using Color Embeddings",
    paper="https://arxiv.org/abs/2106.08017",
    year=2021,
    summary="Colorizes an image from a reference encoded as one vector. The paper's network.",
    task="colorzoo.zoo.zhao2021.task:Zhao2021",
    model="colorzoo.zoo.zhao2021.model:Color2Embed",
    parameters=48_156_674,
    aliases=("color2embed",),
    guidance=("exemplar",),
    weights={
        "published": Weights(
            sha256=None,
            # computed: two stored networks and the Adam state of the trained parameters
            size=1_091_330_000,
            license="MIT (the repository's)",
            code_license="MIT",
            urls=(
                "https://drive.usercontent.google.com/download?export=download&confirm=t&id=15qgn3aSzviBE4tW6PaCx4c_syiKMBVir",
            ),
            published=True,
            trained_on="ImageNet, by the authors, from torchvision's VGG-19; 45,000 steps of 64 images.",
            no_hash="The authors publish no hash.",
        )
    },
    config="zhao2021/paper.yaml",
    uses={"exemplar": "Ranked between zhang2019 and chen2023 in Chen et al. 2023."},
    # the perceptual loss requires VGG-19 weights, which are not in the package
    contract_test=ContractTestConfig(
        hparams={"width": 0.125, "reference_side": 32, "perceptual_weight": 0.0},
        scales={"model.network.unet.outc.2.weight": 0.02},
    ),
)

CARDS = (FULL,)
