"""Li et al. 2018: training step of the decoders compared with the loss of the paper."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import WeightsError
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def conv(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), state[f"{name}.weight"], state[f"{name}.bias"])


def encoded(state: dict[str, Tensor], rgb: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return relu2_1 of the second encoder, the map before its pooling, and the pooling indices."""
    x = F.conv2d(rgb, state["encoders.1.conv0.weight"], state["encoders.1.conv0.bias"])
    x = F.relu(conv(state, "encoders.1.conv1_2", F.relu(conv(state, "encoders.1.conv1_1", x))))
    pooled, places = F.max_pool2d(x, 2, return_indices=True)
    return F.relu(conv(state, "encoders.1.conv2_1", pooled)), x, places


@pytest.mark.usefixtures("_any_algorithm")
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_li2018_training_step_equals_the_reconstruction_loss(weight: float) -> None:
    model: Any = small("li2018", feature_weight=weight)
    batch, _, _ = training_batch()
    rgb, state = batch["rgb"], dict(model.model.network.named_parameters())
    features, before, places = encoded(state, rgb)
    x = F.relu(conv(state, "decoders.1.conv2_1", features))
    x = F.max_unpool2d(x, places, 2, output_size=before.shape[-2:])
    x = F.relu(conv(state, "decoders.1.conv1_2", x))
    made = conv(state, "decoders.1.conv1_1", x)
    wanted = (made - rgb).square().mean() + weight * (encoded(state, made)[0] - features).square().mean()
    logged: dict[str, Tensor] = {}
    model.log_dict = lambda values, **_: logged.update(values)
    loss = model.training_step(batch, 0)
    torch.testing.assert_close(logged["train/level2"], wanted.detach(), rtol=1e-5, atol=0)
    levels = [logged[f"train/level{level}"] for level in (1, 2, 3, 4)]
    torch.testing.assert_close(loss.detach(), torch.stack(levels).sum())
    ours = {name: value for name, value in gradients(loss, model).items() if ".decoders.1." in name}
    assert len(ours) == 6
    plain = {name: value for name, value in gradients(wanted, model).items() if name in ours}
    same(ours, plain, rtol=1e-3)


def test_li2018_fit_with_random_encoders_raises() -> None:
    with pytest.raises(WeightsError, match=r"VGG-19.*convert li2018"):
        small("li2018", width=1.0).prepare_fit()
