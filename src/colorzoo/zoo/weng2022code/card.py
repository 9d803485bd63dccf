"""Model card of Weng et al. 2022 (L-CoDe)."""

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

SMALL = ModelCard(
    name="weng2022code_small",
    title="L-CoDe: Language-based Colorization using Color-object Decoupled Conditions",
    paper="https://doi.org/10.1609/aaai.v36i3.20170",
    year=2022,
    summary="Colorizes an image as described by text such as red car, blue sky.",
    model="colorzoo.zoo.weng2022code.model:LanguageColorization",
    task="colorzoo.zoo.weng2022code.task:Weng2022Code",
    parameters=612_452,
    guidance=("text",),
    weights={
        "default": Weights(
            sha256="2ed5d264f53af4698450a8998d339dac38e322cee3f65d7cbc413cb143e4f353",
            size=641_808,
            license="Apache-2.0",
            file="weng2022code_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="2,716 images with class maps and 1,487 photos; see the model page.",
        )
    },
    config="weng2022code/small.yaml",
    uses={"text": "The only model with text guidance."},
    # with random weights, the last layer saturates, and the text changes the colors by the full range
    contract_test=ContractTestConfig(
        hparams={"width": 24, "text_width": 16}, scales={"model.network.c3.weight": 0.05}
    ),
    limits=("export",),  # the text is split into words outside the graph
)

CARDS = (SMALL,)
