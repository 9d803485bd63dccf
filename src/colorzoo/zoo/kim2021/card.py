"""Model cards of Kim et al. 2021."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

_TINY = {"backbone": "zhang2017_local_small", "hidden": (8,), "propagation": 0}
_NEAR = {"reach": 12, "propagation": 12}

FULL = ModelCard(
    name="kim2021",
    title="Deep Edge-Aware Interactive Colorization against Color-Bleeding Effects",
    paper="https://arxiv.org/abs/2107.01619",
    year=2021,
    summary="Sharpens color edges under the user's scribbles, as an add-on to another model.",
    task="colorzoo.zoo.kim2021.task:Kim2021",
    model="colorzoo.zoo.kim2021.model:EdgeAwareColorization",
    parameters=35_511_827,
    aliases=("edge_aware",),
    guidance=("points", "scribbles"),
    config="kim2021/paper.yaml",
    uses={"scribbles": "Published network; this paper introduced scribbles over edges."},
    contract_test=ContractTestConfig(hparams=_TINY, size=48),
)

SMALL = replace(
    FULL,
    name="kim2021_small",
    summary="Sharpens color edges under scribbles in results of zhang2017_local_small; weights included.",
    parameters=4_721_499,
    aliases=(),
    hparams={"backbone": "zhang2017_local_small", "hidden": (48, 32, 16), **_NEAR},
    uses={"scribbles": "Its backbone has the lowest error without scribbles; accepts points."},
    weights={
        "default": Weights(
            sha256="cdb0368626e5b219c9e99e47e68acec6d97dce1fe7d7fd9e7f41cf69fecb6c96",
            size=572_348,
            license="Apache-2.0",
            file="kim2021_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="44,000 crops of photos, on CPUs; see the model page.",
        )
    },
    config="kim2021/small.yaml",
)

ON_ZHANG2016 = replace(
    FULL,
    name="kim2021_zhang2016_small",
    summary="Sharpens color edges under scribbles in results of zhang2016_small; weights included.",
    parameters=2_233_075,
    aliases=(),
    guidance=("scribbles",),
    hparams={"backbone": "zhang2016_small", "hidden": (48, 16), "read_lightness": True, **_NEAR},
    weights={
        "default": Weights(
            sha256="4982b3939b44b2b99b8b9c772e5bc624e9db38e25281fa6938f82593b57e00a5",
            size=404_560,
            license="Apache-2.0",
            file="kim2021_zhang2016_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="4,000 crops of photos, on a CPU; see the model page.",
        )
    },
    config="kim2021/zhang2016_small.yaml",
    uses={
        "scribbles": "Larger gain from scribbles, but its backbone has a larger error and accepts no points."
    },
    # A random E changes the distribution strongly; a low temperature would amplify rounding error.
    contract_test=ContractTestConfig(
        hparams={"hidden": (8,), "propagation": 0, "reach": 0, "backbone_hparams": {"temperature": 30.0}},
        size=48,
    ),
)

ON_SU2020 = replace(
    FULL,
    name="kim2021_su2020_small",
    summary="Sharpens color edges under scribbles in results of su2020_small; weights included.",
    parameters=13_917_983,
    aliases=(),
    guidance=("points", "boxes", "scribbles"),
    hparams={"backbone": "su2020_small", "hidden": (48, 32, 16), **_NEAR},
    weights={
        "default": Weights(
            sha256="72b0cbfdf624355f60270297686a353845a4e7e1c007b9fbc6f03bd628796ea3",
            size=571_148,
            license="Apache-2.0",
            file="kim2021_su2020_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="Weights of kim2021_small, without further training, because both backbones have "
            "equal feature maps.",
        )
    },
    config="kim2021/su2020_small.yaml",
    uses={
        "scribbles": "Results similar to kim2021_small; slower, but accepts boxes.",
        "objects": "The only model that accepts both boxes and scribbles.",
    },
    contract_test=ContractTestConfig(hparams={"hidden": (8,), "propagation": 0}, size=48),
    limits=("export",),
)

CARDS = (FULL, SMALL, ON_ZHANG2016, ON_SU2020)
