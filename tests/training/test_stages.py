"""Training stages: trained and frozen parameters."""

from torch import nn

from colorzoo.training.stages import EVERYTHING, Stage, freeze, set_frozen_layers_to_eval, untrained_submodels


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


def test_set_frozen_layers_to_eval_changes_only_frozen_layers() -> None:
    found = module().train()
    freeze(found, Stage(trains=("head.*",)))
    set_frozen_layers_to_eval(found)
    assert not found["trunk"][1].training
    assert found["head"].training


def test_untrained_submodels_lists_submodels_with_random_weights() -> None:
    found = module()
    assert list(untrained_submodels(found)) == []
    for part, is_trained in ((found, False), (found["trunk"], False), (found["head"], True)):
        part.trained = is_trained
    assert list(untrained_submodels(found)) == ["trunk (Sequential)"]
