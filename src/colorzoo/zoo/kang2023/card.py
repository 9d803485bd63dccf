"""Model cards of Kang et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

_HUB = "https://huggingface.co/piddnad"
_NO_HASH = "The hash on the page of the file could not be read when this card was written."
_IMAGENET = "ImageNet, 400,000 steps of 16 images of 256 pixels, by the authors, as in the paper."
# contract tests use 64 pixels, the minimum of the discriminator
_NARROW = {"width": 0.125, "depth": 0.3, "discriminator_width": 0.125}
_TRIAL = {**_NARROW, "queries": 8, "layers": 3, "perceptual_weight": 0.0}
_WITHOUT_GRADIENT = ("discriminator.layers.2.2.*.weight_orig",)  # the attention is scaled by 0 at first


def _published(name: str, revision: str, sha256: str | None, size: int, trained_on: str) -> Weights:
    """Describe a published file at a fixed revision of its Hugging Face repository.

    The Hugging Face Hub lists this hash and this size for the revision, and several independent programs
    contain the same values.
    """
    return Weights(
        sha256=sha256,
        size=size,
        license="Apache-2.0",
        code_license="Apache-2.0",
        urls=(f"{_HUB}/{name}/resolve/{revision}/pytorch_model.bin",),
        published=True,
        trained_on=trained_on,
        no_hash="" if sha256 else _NO_HASH,
    )


_LARGE_BYTES, _TINY_BYTES = 911_914_869, 220_372_845

LARGE = ModelCard(
    name="kang2023",
    title="DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders",
    paper="https://arxiv.org/abs/2212.11613",
    year=2023,
    summary="Colorizes an image with ConvNeXt-L and learned color queries. The paper's large network.",
    task="colorzoo.zoo.kang2023.task:Kang2023",
    model="colorzoo.zoo.kang2023.model:DDColor",
    parameters=227_866_256,
    aliases=("ddcolor",),
    weights={
        # the default of the authors' code, because user photos differ from ImageNet
        "published": _published(
            "ddcolor_modelscope",
            "060f67494e31883a4b13cb27f889f3154847ada4",
            "d81711971ec59200da26d5e8a1afae8dd3778d495ea8ad7a7dadc769f403f7e7",
            _LARGE_BYTES,
            "Cleaned ImageNet, by the authors (ddcolor_modelscope). Recommended for most photos.",
        ),
        "paper": _published("ddcolor_paper", "main", None, _LARGE_BYTES, _IMAGENET),
        "artistic": _published(
            "ddcolor_artistic",
            "aa10f72fffc89a6658e37b48556050b4d9a26f63",
            "5a076e84efce59848394f572a105f7b78f7f6e917f615d1ee88537241b96dca3",
            _LARGE_BYTES,
            "ImageNet and private artistic images, without colorfulness loss, by the authors. Fewer blobs "
            "of color.",
        ),
    },
    config="kang2023/paper.yaml",
    uses={"automatic": "Best FID in the table of the paper."},
    contract_test=ContractTestConfig(
        hparams={**_TRIAL, "size": "tiny"}, size=64, without_gradient=_WITHOUT_GRADIENT
    ),
)

TINY = replace(
    LARGE,
    name="kang2023_tiny",
    summary="Colorizes an image with ConvNeXt-T and learned color queries. The paper's tiny network.",
    parameters=55_005_104,
    aliases=("ddcolor_tiny",),
    hparams={"size": "tiny"},
    weights={
        "published": _published(
            "ddcolor_paper_tiny",
            "cf9fd99c1d7472689ec7413441c1b799a51866a3",
            "8a1277bc90a1bfbb6d2d83933a9a6bc821931879ca93e26e4fcec12165d41fce",
            _TINY_BYTES,
            _IMAGENET,
        )
    },
    config="kang2023/tiny.yaml",
    uses={"automatic": "Second-best FID in the paper, with a quarter of the parameters."},
)

SMALL = replace(
    LARGE,
    name="kang2023_small",
    summary="Colorizes an image with learned color queries. Small; weights included.",
    parameters=5_531_757,
    aliases=(),
    hparams={
        "trunk": "zhang2017_local_small",
        "width": 0.25,
        "queries": 32,
        "layers": 3,
        "discriminator_width": 0.25,
    },
    weights={
        "default": Weights(
            sha256="663f97a15619fe68ae97d2321cb2806f5113a253147e923fbf1f6f0084a67ae7",
            size=1_207_954,
            license="Apache-2.0",
            file="kang2023_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="15,762 photos, 103,992 crops on a CPU; see the model page.",
        )
    },
    config="kang2023/small.yaml",
    uses={
        "automatic": (
            "Lower measured error than zhang2016_small and less chroma in neutral regions; worse than "
            "zhang2017_local_small on people."
        )
    },
    contract_test=ContractTestConfig(
        hparams={**_TRIAL, "trunk": "zhang2017_local_small"}, size=64, without_gradient=_WITHOUT_GRADIENT
    ),
)

CARDS = (LARGE, TINY, SMALL)
