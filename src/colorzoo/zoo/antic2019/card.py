"""Model cards of DeOldify."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ContractTestConfig, ModelCard, Weights

# Layer weights of 0 disable the perceptual loss, because the VGG network requires pretrained weights.
_TRIAL = {
    "encoder": "resnet18",
    "width": 0.125,
    "discriminator_width": 0.03125,
    "stage": "unfrozen",
    "layer_weights": (0.0, 0.0, 0.0),
    "encoder_weights": None,
}
_TRAINED = "ImageNet, by the author with NoGAN."


def _published(sha256: str, size: int, url: str, trained_on: str = _TRAINED) -> Weights:
    """Describe a published file.

    The author publishes no hash. Several independent programs download the same URLs and contain this hash
    and this size, such as thookham/DeOldify-on-Browser on GitHub.
    """
    return Weights(
        sha256=sha256,
        size=size,
        license="MIT",
        code_license="MIT",
        urls=(url,),
        published=True,
        trained_on=trained_on,
    )


ARTISTIC = ModelCard(
    name="antic2019",
    title="DeOldify, the artistic model",
    paper="https://github.com/jantic/DeOldify",
    year=2019,
    summary="Colorizes an image without guidance, with vivid colors. DeOldify's artistic model.",
    task="colorzoo.zoo.antic2019.task:Antic2019",
    model="colorzoo.zoo.antic2019.model:DeOldify",
    parameters=63_646_881,
    aliases=("deoldify", "deoldify_artistic"),
    weights={
        "published": _published(
            "3f750246fa220529323b85a8905f9b49c0e5d427099185334d048fb5b5e22477",
            255_144_681,
            "https://data.deepai.org/deoldify/ColorizeArtistic_gen.pth",
        )
    },
    config="antic2019/frozen_64.yaml",
    uses={"automatic": "Ranked between zhang2016 and kang2023 in Kang et al. 2023."},
    contract_test=ContractTestConfig(
        _TRIAL, size=64, without_gradient=("model.network.blocks.1.conv*.3.*.weight_orig",)
    ),
)

STABLE = replace(
    ARTISTIC,
    name="antic2019_stable",
    title="DeOldify, the stable model and its video weights",
    summary="Colorizes an image with fewer failures and less vivid colors; `video` weights reduce flicker.",
    parameters=218_222_197,
    aliases=("deoldify_stable",),
    hparams={"encoder": "resnet101", "decoder": "wide", "nf_factor": 2.0, "content_weight": 1.5},
    weights={
        "published": _published(
            "ca9cd7f43fb8b222c9a70f7b292e305a000694b0ff9d2ae4a6747b1a2e1ee5af",
            874_066_230,
            "https://www.dropbox.com/s/axsd2g85uyixaho/ColorizeStable_gen.pth?dl=1",
        ),
        "video": _published(
            "e3d98bb6a222354c79f95485c2f078a89dc724e9183662506d9e0f5aafac83ad",
            874_066_230,
            "https://data.deepai.org/deoldify/ColorizeVideo_gen.pth",
            trained_on=f"{_TRAINED} Fine-tuned on noisy images for render_factor 21.",
        ),
    },
    config="antic2019/stable_frozen_64.yaml",
    uses={},  # no published measurement
    contract_test=replace(ARTISTIC.contract_test, hparams={**_TRIAL, "nf_factor": 0.5}),
)

CARDS = (ARTISTIC, STABLE)
