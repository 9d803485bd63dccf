"""Model card of Huang et al. 2022."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard, Weights

_FILES = "https://huggingface.co/luckyhzt/unicolor-pretrained-model/resolve/main"
_NONE = "not stated: all rights reserved; ask the authors"
_BYTES = 1_204_337_688  # loaded tensors, with Chroma-VQGAN twice; the files contain additional data


def _published(name: str, trained_on: str) -> Weights:
    return Weights(
        sha256=None,
        size=_BYTES,
        license=_NONE,
        code_license=_NONE,
        urls=(f"{_FILES}/{name}",),
        published=True,
        trained_on=trained_on,
        no_hash="The hash on the page of the file could not be read when this card was written.",
    )


UNICOLOR = ModelCard(
    name="huang2022",
    title="UniColor: A Unified Framework for Multi-Modal Colorization with Transformer",
    paper="https://arxiv.org/abs/2209.11223",
    year=2022,
    summary="Colorizes an image automatically, with points or an exemplar, by random sampling. Slow.",
    task="colorzoo.zoo.huang2022.task:Huang2022",
    model="colorzoo.zoo.huang2022.model:UniColor",
    parameters=190_732_419,
    aliases=("unicolor",),
    guidance=("points", "exemplar", "seed"),
    weights={  # no default, so that weights without a license are downloaded only by name
        "imagenet": _published("imagenet_step142124.ckpt", "ImageNet, 142,124 steps, by the authors."),
        "coco": _published("mscoco_step259999.ckpt", "COCO train2017, 259,999 steps, by the authors."),
    },
    config="huang2022/imagenet.yaml",
    uses={
        "automatic": "No published comparison with other models; takes minutes per image on a CPU.",
        "points": "No published comparison with other models; takes minutes per image on a CPU.",
        "exemplar": "Second-best result in Chen et al. 2023; takes minutes per image on a CPU.",
    },
    contract_test=ContractTestConfig(
        {
            "channels": 128,  # GroupNorm has 32 groups; fewer channels amplify rounding error
            "multipliers": (1, 1, 1, 1, 1),
            "blocks": 1,
            "embedding": 32,
            **dict.fromkeys(("latent", "code_width"), 16),
            **dict.fromkeys(("layers", "rows", "columns", "fewest", "strokes"), 2),
            "codes": 8,
            **dict.fromkeys(("heads", "top_k"), 4),
            "matcher": "zhang2019_small",
            "matched_size": (128, 128),
        }
    ),
    limits=("export", "gradient"),
)

CARDS = (UNICOLOR,)
