"""Model card of Iizuka et al. 2016."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

CARDS = (
    ModelCard(
        name="iizuka2016",
        title="Let there be Color!",
        paper="https://doi.org/10.1145/2897824.2925974",
        year=2016,
        summary="Colorizes an image with local and global features, or with the style of a reference.",
        task="colorzoo.zoo.iizuka2016.task:Iizuka2016",
        model="colorzoo.zoo.iizuka2016.model:LetThereBeColor",
        parameters=43_218_402,
        aliases=("lettherebecolor",),
        guidance=("exemplar",),
        config="iizuka2016/paper.yaml",
        uses={
            "automatic": "Ranked between zhang2016 and zhang2017_local in Zhang et al. 2017.",
            "exemplar": "Published network; uses the style of a reference, not its colors.",
        },
        contract_test=ContractTestConfig(
            hparams={"width": 0.125, "scene_side": 32, "classes": 0},
            scales={"model.network.color.conv6.weight": 0.3},
        ),
    ),
)
