"""Model cards of Su et al. 2020."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

FULL = ModelCard(
    name="su2020",
    title="Instance-aware Image Colorization",
    paper="https://arxiv.org/abs/2005.10825",
    year=2020,
    summary="Colorizes an image and each object in its bounding box. The paper's networks.",
    task="colorzoo.zoo.su2020.task:Su2020",
    model="colorzoo.zoo.su2020.model:InstanceColorization",
    parameters=103_639_347,
    aliases=("instcolor",),
    guidance=("points", "boxes"),
    config="su2020/full.yaml",
    uses={"boxes": "Published networks; this paper introduced boxes. Convert the weights first."},
    contract_test=ContractTestConfig(hparams={"width": 0.125, "trunk": None, "stage": "full"}),
    limits=("export",),  # tensor shapes depend on the number and size of boxes
)

SMALL = replace(
    FULL,
    name="su2020_small",
    summary="Colorizes an image and each object in its bounding box. Quarter width; weights included.",
    parameters=13_635_753,
    aliases=(),
    hparams={"trunk": "zhang2017_local_small"},
    weights={
        "default": Weights(
            sha256="18ac582d9003a95b7c2e3665887dfb1c495666c323c25289f217f939dbcf8f01",
            size=693_592,
            license="Apache-2.0",
            file="su2020_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="Random boxes in images, 24,000 and 4,800 crops; see the model page.",
        )
    },
    config="su2020/small_fusion.yaml",
    uses={"boxes": "Included weights; boxes have little effect."},
    contract_test=replace(FULL.contract_test, hparams={**FULL.contract_test.hparams, "hints": 1.0}),
)

CARDS = (FULL, SMALL)
