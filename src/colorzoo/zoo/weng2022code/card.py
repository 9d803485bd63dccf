"""Model card of Weng et al. 2022 (L-CoDe)."""

from colorzoo.card import ContractTestConfig, ModelCard

SMALL = ModelCard(
    name="weng2022code_small",
    title="L-CoDe: Language-based Colorization using Color-object Decoupled Conditions",
    paper="https://doi.org/10.1609/aaai.v36i3.20170",
    year=2022,
    summary="Colorizes an image as described by text such as red car, blue sky.",
    model="colorzoo.zoo.weng2022code.model:LanguageColorization",
    task="colorzoo.zoo.weng2022code.task:Weng2022Code",
    parameters=0,
    guidance=("text",),
    config="weng2022code/small.yaml",
    uses={"text": "The only model with text guidance."},
    contract_test=ContractTestConfig(hparams={"width": 24, "text_width": 16}),
    limits=("export",),  # the text is split into words outside the graph
)

CARDS = (SMALL,)
