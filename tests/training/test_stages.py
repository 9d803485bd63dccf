"""Training stages: trained and frozen parameters."""

import pytest
from torch import nn

from colorzoo import create_model
from colorzoo.errors import ColorzooError
from colorzoo.training.stages import (
    EVERYTHING,
    Stage,
    freeze,
    require_matching_patterns,
    set_frozen_layers_to_eval,
    untrained_submodels,
)


def module() -> nn.Module:
    parts = {"trunk": nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), "head": nn.Conv2d(2, 2, 1)}
    return nn.ModuleDict(parts)


def trained(stage: Stage) -> set[str]:
    found = module()
    freeze(found, stage)
    return {name for name, parameter in found.named_parameters() if parameter.requires_grad}


def test_freeze_trains_only_the_parameters_that_the_stage_selects() -> None:
    assert trained(EVERYTHING) == {name for name, _ in module().named_parameters()}
    assert trained(Stage(trains=("head.*",))) == {"head.weight", "head.bias"}
    assert trained(Stage(trains=("trunk.*",), leaves=("trunk.1.*",))) == {"trunk.0.weight", "trunk.0.bias"}


def test_freeze_keeps_parameters_that_were_frozen_before() -> None:
    found = module()
    found["trunk"][0].requires_grad_(False)
    freeze(found, EVERYTHING)
    assert not found["trunk"][0].weight.requires_grad


@pytest.mark.parametrize("stage", [Stage(trains=("haed.*",)), Stage(leaves=("haed.*",))])
def test_stage_with_a_pattern_that_matches_no_parameter_is_an_error(stage: Stage) -> None:
    require_matching_patterns(module(), Stage(trains=("head.*",), leaves=("*.bias",)))
    with pytest.raises(ColorzooError, match=r"parameters of ModuleDict, such as head\.bias, got haed\.\*"):
        require_matching_patterns(module(), stage)


def test_fit_requires_that_the_patterns_of_the_stage_match() -> None:
    """Only networks with the setting ``hypercolumn`` contain the layers of the stage ``distribution``."""
    settings = {"width": 0.125, "stage": "distribution"}
    create_model("zhang2017_local", None, **settings, hypercolumn=True).setup("fit")
    with pytest.raises(ColorzooError, match=r"got model\.network\.hypercolumn\.\*"):
        create_model("zhang2017_local", None, **settings, hypercolumn=False).setup("fit")


def test_set_frozen_layers_to_eval_changes_only_frozen_layers() -> None:
    found = module().train()
    freeze(found, Stage(trains=("head.*",)))
    set_frozen_layers_to_eval(found)
    assert not found["trunk"][1].training
    assert found["head"].training


def test_set_frozen_layers_to_eval_includes_layers_without_parameters() -> None:
    norm, dropout = nn.BatchNorm2d(2, affine=False), nn.Dropout()
    trunk = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1), norm), dropout)
    found = nn.Sequential(trunk, nn.Conv2d(2, 2, 1), nn.Dropout()).train()
    trunk.requires_grad_(False)
    set_frozen_layers_to_eval(found)
    assert not norm.training
    assert not dropout.training
    assert found[2].training
    assert found.training


def test_untrained_submodels_lists_submodels_with_random_weights() -> None:
    found = module()
    assert list(untrained_submodels(found)) == []
    for part, is_trained in ((found, False), (found["trunk"], False), (found["head"], True)):
        part.trained = is_trained
    assert list(untrained_submodels(found)) == ["trunk (Sequential)"]
