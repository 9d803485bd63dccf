"""Model card of Weng et al. 2022."""

from colorzoo.card import ContractTestConfig, ModelCard

# A lower temperature amplifies the rounding errors of random weights.
_NARROW = {"width": 64, "encoder_depth": 2, "decoder_depth": 1, "temperature": 1.0}
# Without these factors the color tokens are nearly equal, and rounding errors decide between them.
_SCALES = {"model.network.color_tokens.tokens": 3.0, "model.network.blocks.0.proj.weight": 0.1}

CARDS = (
    ModelCard(
        name="weng2022",
        title="CT2: Colorization Transformer via Color Tokens",
        paper="https://ci.idm.pku.edu.cn/Weng_ECCV22b.pdf",
        year=2022,
        summary="Colorizes an image automatically with a transformer over image patches and color tokens.",
        model="colorzoo.zoo.weng2022.model:ColorTokenColorization",
        task="colorzoo.zoo.weng2022.task:Weng2022",
        parameters=461_952_256,
        aliases=("ct2",),
        config="weng2022/paper.yaml",
        contract_test=ContractTestConfig({**_NARROW, "drop_path": 0.0, "dropout": 0.0}, scales=_SCALES),
    ),
)
