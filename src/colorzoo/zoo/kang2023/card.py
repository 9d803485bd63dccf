"""Cards of Kang et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ModelCard, Quality, Score, Smoke, Weights

_HUB = "https://huggingface.co/piddnad"
_IMAGENET = "ImageNet, 400,000 steps of 16 pictures of 256 pixels, by the authors: the paper's model."
# of 64 pixels: the discriminator needs them
_NARROW = {"width": 0.125, "depth": 0.3, "discriminator_width": 0.125}
_TRIAL = {**_NARROW, "queries": 8, "layers": 3, "perceptual_weight": 0.0}
_WITHOUT_GRADIENT = ("discriminator.layers.2.2.*.weight_orig",)  # the attention begins with a factor of 0


_VAL5K = "ImageNet val5k, 256 x 256, without help; the authors' own FID"
_TABLE_1 = "Kang et al. 2023, Table 1"
_SIXTY = "60 validation photos each, central squares at 256 pixels, without help"


def _stated(rank: int, why: str, fid: float, psnr: float) -> tuple[Quality, ...]:
    scores = (
        Score("FID", fid, "lower", _VAL5K, _TABLE_1),
        Score("PSNR [dB]", psnr, "higher", _VAL5K, _TABLE_1),
    )
    return (Quality("automatic", rank, why, stated=scores),)


def _published(name: str, size: int, trained_on: str) -> Weights:
    """Return a file of the authors; they state neither size nor hash, so the size is that of its tensors."""
    return Weights(
        sha256=None,
        size=size,
        license="Apache-2.0",
        code_license="Apache-2.0",
        urls=(
            f"{_HUB}/{name}/resolve/main/pytorch_model.bin",
            f"{_HUB}/DDColor-models/resolve/main/{name}.pth",
        ),
        published=True,
        trained_on=trained_on,
    )


_LARGE_BYTES, _TINY_BYTES = 911_687_492, 220_204_100

LARGE = ModelCard(
    name="kang2023",
    title="DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders",
    paper="https://arxiv.org/abs/2212.11613",
    year=2023,
    summary="Colors a photo by itself, from learned colors over a ConvNeXt-L. The paper's large network.",
    task="colorzoo.zoo.kang2023.task:Kang2023",
    model="colorzoo.zoo.kang2023.model:DDColor",
    parameters=227_866_256,
    aliases=("ddcolor",),
    hparams={"size": "large"},
    weights={
        # what the authors' own code takes, since photos of users are not ImageNet
        "published": _published(
            "ddcolor_modelscope",
            _LARGE_BYTES,
            "ImageNet, cleaned, by the authors (ddcolor_modelscope): best on photos from elsewhere.",
        ),
        "paper": _published("ddcolor_paper", _LARGE_BYTES, _IMAGENET),
        "artistic": _published(
            "ddcolor_artistic",
            _LARGE_BYTES,
            "ImageNet and artistic pictures that are not public, without colorfulness loss, by the authors: "
            "fewer blobs of color.",
        ),
    },
    config="kang2023/paper.yaml",
    quality=_stated(
        90, "Best FID of all in its own table; the numbers are those of the paper's file.", 3.92, 23.85
    ),
    smoke=Smoke(hparams={**_TRIAL, "size": "tiny"}, size=64, without_gradient=_WITHOUT_GRADIENT),
)

TINY = replace(
    LARGE,
    name="kang2023_tiny",
    summary="Colors a photo by itself, from learned colors over a ConvNeXt-T. The paper's tiny network.",
    parameters=55_005_104,
    aliases=("ddcolor_tiny",),
    hparams={"size": "tiny"},
    weights={"published": _published("ddcolor_paper_tiny", _TINY_BYTES, _IMAGENET)},
    config="kang2023/tiny.yaml",
    quality=_stated(80, "Second in the same table, at a quarter of the size.", 4.38, 23.54),
)

SMALL = replace(
    LARGE,
    name="kang2023_small",
    summary="Colors a photo by itself, from learned colors. Narrow; ships inside the package.",
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
            sha256="a1ff3521891f04ec4588398818d71bb8d2b7f3c5a1044247d301883a42629428",
            size=2_224_402,
            license="Apache-2.0",
            file="kang2023_small.safetensors",
            trained_on="15,762 photos, 103,992 crops on one CPU core; see the model's page.",
        )
    },
    config="kang2023/small.yaml",
    quality=(
        Quality(
            "automatic",
            15,
            "Measured; nearer to the truth than zhang2016_small and half its color on gray things; "
            "at equal color behind zhang2017_local_small on people.",
            measured=(
                Score("PSNR over gray [dB]", 0.93, "higher", _SIXTY, "src/colorzoo/zoo/kang2023/README.md"),
                Score(
                    "PSNR over gray, people [dB]",
                    0.33,
                    "higher",
                    _SIXTY,
                    "src/colorzoo/zoo/kang2023/README.md",
                ),
            ),
        ),
    ),
    smoke=Smoke(
        hparams={**_TRIAL, "trunk": "zhang2017_local_small"}, size=64, without_gradient=_WITHOUT_GRADIENT
    ),
)

CARDS = (LARGE, TINY, SMALL)
