"""Properties of Zhang et al. 2017."""

from typing import Any

import pytest
import torch

from colorzoo.factory import build_model
from colorzoo.zoo.zhang2017.model import LocalHints
from colorzoo.zoo.zhang2017.network import AttendedConv, HintAttention
from colorzoo.zoo.zhang2017.task import Zhang2017Local


def local(**settings: Any) -> Zhang2017Local:
    return build_model(Zhang2017Local, settings)


def noise(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def centers(rows: int, columns: int) -> torch.Tensor:
    """Return the centers ``(rows * columns, 2)`` of cells, in mean sides of the image."""
    cells = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    return 2 * (cells + 0.5) / (rows + columns)


def test_hint_attention_equals_a_kernel_regression_of_the_hints() -> None:
    """The logit of a hint is 3 minus both squared distances; the logit of no hint is 0."""
    attention = HintAttention(8)
    features, hints = noise(2, 8, 6, 8), torch.zeros(2, 3, 24, 32)
    hints[0, :, 1:3, 4:7] = torch.tensor([0.5, -0.25, 1.0]).view(3, 1, 1)
    hints[0, :, 20:, 30] = torch.tensor([-0.5, 0.75, 1.0]).view(3, 1)
    hints[1, :, 9, 9] = torch.tensor([0.1, 0.2, 1.0])
    keys = attention.key(features)
    coarse = torch.nn.functional.avg_pool2d(keys, 2).flatten(2).mT
    apart = torch.cdist(keys.flatten(2).mT, coarse).square()
    logits = 3 - apart - torch.cdist(centers(6, 8), centers(3, 4)).square() / 0.2**2
    shown = hints.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4).sum(dim=4).flatten(2).mT  # for each cell
    weights = logits.exp() * (shown[:, None, :, 2] > 0)
    colors = shown / shown[..., 2:].clamp(min=1)
    wanted = weights @ colors / (1 + weights.sum(dim=2, keepdim=True))
    for learns in (True, False):  # without gradients only hinted cells are matched
        with torch.set_grad_enabled(learns):
            found = attention(features, hints).flatten(2).mT
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_scene_blocks_have_no_effect_at_initialization() -> None:
    torch.manual_seed(0)
    plain = local(width=0.125).eval()
    lightness = 100 * torch.rand(1, 1, 24, 24)
    extended = local(width=0.125, scene_blocks=1).eval()
    extended.load_state_dict({**extended.state_dict(), **plain.state_dict()})
    with torch.inference_mode():
        torch.testing.assert_close(extended(lightness).ab, plain(lightness).ab, atol=1e-5, rtol=1e-5)


def test_hypercolumn_head_has_no_gradient_to_the_trunk() -> None:
    torch.manual_seed(0)
    model = local(width=0.125, hypercolumn=True).eval()
    lightness = 100 * torch.rand(1, 1, 37, 53)
    logits = model(lightness).extras["logits"]
    assert logits.shape == (1, 313, 10, 14)
    logits.square().sum().backward()
    assert all(p.grad is None for p in model.model.network.unet.parameters())


@pytest.mark.parametrize("scene_blocks", [0, 1])
def test_for_inference_folds_rank_layers_into_an_equal_network(scene_blocks: int) -> None:
    torch.manual_seed(0)
    settings = {"width": 0.125, "init_std": None, "scene_blocks": scene_blocks}
    deep = local(**settings, rank_layers=3).eval()
    unet = deep.model.network.unet
    for weight in unet.rank_layers.weights:
        torch.nn.init.orthogonal_(weight)
    if scene_blocks:  # initialized to 0
        torch.nn.init.normal_(unet.scene.leave.weight, std=0.2)
    plain = local(**settings).eval()
    plain.model.load_state_dict(LocalHints.for_inference(deep.model.state_dict()))
    lightness = 100 * torch.rand(1, 1, 24, 24)
    with torch.inference_mode():
        torch.testing.assert_close(plain(lightness).ab, deep(lightness).ab, atol=1e-4, rtol=1e-4)


def test_attended_conv_scales_each_channel_of_a_skip() -> None:
    attended = AttendedConv(torch.nn.Conv2d(2, 8, 3, padding=1))
    x = noise(1, 2, 6, 6)
    gate = attended(x) / attended.conv(x)
    torch.testing.assert_close(gate, torch.full_like(gate, 4.0).sigmoid())  # almost open at the start
    torch.nn.init.normal_(attended.excite.weight)
    mean = attended.conv(x).mean(dim=(2, 3))
    gate = attended.excite(attended.squeeze(mean).relu()).sigmoid()
    torch.testing.assert_close(attended(x), attended.conv(x) * gate[:, :, None, None])
