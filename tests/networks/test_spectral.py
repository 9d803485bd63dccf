"""Blocks of DDColor and DeOldify: spectral norm with stored vectors, attention, shuffle with blur."""

import copy
import warnings

import torch
from torch import nn
from torch.nn import functional as F

from colorzoo.networks.spectral import (
    ShuffleUp,
    StoredSpectralAttention,
    StoredSpectralConv,
    WideBlock,
    blur,
    spectral_shuffle,
)


def old_spectral_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.nn.utils.spectral_norm(layer)


def test_stored_spectral_conv_equals_torch_spectral_norm() -> None:
    for ours, theirs, size in [
        (StoredSpectralConv(6, 10, (3, 3), stride=2, padding=1), nn.Conv2d(6, 10, 3, 2, 1), (2, 6, 9, 8)),
        (StoredSpectralConv(6, 10, (1,), bias=False), nn.Conv1d(6, 10, 1, bias=False), (2, 6, 9)),
    ]:
        ours, theirs = ours.double(), old_spectral_norm(theirs.double())
        assert {k: v.shape for k, v in ours.state_dict().items()} == {
            k: v.shape for k, v in theirs.state_dict().items()
        }
        ours.load_state_dict(theirs.state_dict())
        x = torch.randn(size, dtype=torch.float64)
        for training in (False, True, True, False):
            ours.train(training), theirs.train(training)
            torch.testing.assert_close(ours(x), theirs(x))
        ours.train(), theirs.train()
        for module in (ours, theirs):
            # two forward passes before backward, as in a discriminator step
            (module(x) * module(x + 1)).sum().backward()
        torch.testing.assert_close(ours.weight_orig.grad, theirs.weight_orig.grad)
        torch.testing.assert_close(ours.weight_u, theirs.weight_u)
        copy.deepcopy(ours)  # torch's spectral_norm cannot be deep-copied at this point


def test_stored_spectral_attention_softmax_is_over_queries() -> None:
    attention = StoredSpectralAttention(16).eval()
    x = torch.randn(2, 16, 3, 5)
    assert torch.equal(attention(x), x)
    nn.init.constant_(attention.gamma, 0.7)
    flat = x.flatten(2)
    query, key, value = (part(flat) for part in (attention.query, attention.key, attention.value))
    asked = torch.einsum("bci,bcj->bij", query, key).exp()
    expected = 0.7 * torch.einsum("bci,bij->bcj", value, asked / asked.sum(1, keepdim=True)) + flat
    torch.testing.assert_close(attention(x).flatten(2), expected)


def test_blur_averages_with_left_and_upper_neighbors() -> None:
    x = torch.tensor([[[[1.0, 3.0], [5.0, 11.0]]]])
    assert blur(x).tolist() == [[[[1.0, 2.0], [3.0, 5.0]]]]


def test_new_spectral_shuffle_equals_blurred_nearest_upsampling() -> None:
    for factor in [2, 4]:
        torch.manual_seed(0)  # for 1 % of all weights the power iteration has not converged
        up = spectral_shuffle(6, 3, factor, norm=False).eval()
        assert isinstance(up, ShuffleUp)
        assert set(up.state_dict()) == {
            f"conv.0.{name}" for name in ("weight_orig", "weight_u", "weight_v", "bias")
        }
        assert 0.99 < torch.linalg.matrix_norm(up.conv[0].divided_weight().flatten(1), ord=2) < 1.2
        x = torch.randn(1, 6, 4, 5)
        plain = F.relu(up.conv(x))[:, :: factor**2]
        torch.testing.assert_close(up(x), blur(F.interpolate(plain, scale_factor=factor, mode="nearest")))


def test_wide_block_crops_upsampled_map_to_skip_size() -> None:
    block = WideBlock(8, 3, 4, 6, nn.Identity()).eval()
    x = torch.randn(1, 8, 2, 3)
    up, skip = block.shuf(x), torch.randn(1, 3, 3, 5)
    joined = F.relu(torch.cat([up[..., :3, :5], block.bn(skip)], dim=1))
    torch.testing.assert_close(block(x, skip), block.conv(joined))
    names = {"shuf.conv.0.weight_orig", "shuf.conv.1.running_var"}
    names |= {"bn.bias", "conv.0.weight_v", "conv.2.weight"}
    assert names <= set(block.state_dict())
    assert not {"shuf.conv.0.bias", "conv.0.bias"} & set(block.state_dict())
