"""The faster copy of a network agrees with it and does not change it."""

import pytest
import torch
from torch import nn

from colorzoo import Guidance
from colorzoo.engines import fast as fast_network
from colorzoo.engines.fast import (
    SharedWinogradConv,
    Winograd,
    WinogradConv,
    fast_linears,
    fast_module,
    speed_up,
)
from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.networks.spectral import StoredSpectralConv, spectral_block
from colorzoo.registry import model_card
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.testing.models import smoke_model


@pytest.mark.parametrize(
    ("batch", "size", "options"),
    [
        (1, (8, 8), {"padding": 1}),
        (2, (7, 9), {"padding": 1, "bias": False}),
        (2, (9, 12), {}),
        (2, (8, 12), {"padding": 2, "dilation": 2}),
        (1, (5, 7), {"padding": 2, "dilation": 2}),
        (3, (11, 4), {"padding": 3, "dilation": 3}),
    ],
)
@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 0.015), (torch.float32, 1e-5)])
def test_winograd_equals_the_convolution(
    batch: int, size: tuple[int, int], options: dict[str, int], dtype: torch.dtype, error: float
) -> None:
    torch.manual_seed(0)
    layer, image = nn.Conv2d(16, 24, 3, **options), torch.randn(batch, 16, *size)
    with torch.inference_mode():
        expected, answer = layer(image), WinogradConv(layer, dtype)(image)
    assert answer.shape == expected.shape
    assert answer.dtype == dtype
    assert float((answer - expected).std() / expected.std()) < error


def test_winograd_in_strips_equals_winograd_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = WinogradConv(nn.Conv2d(16, 24, 3, padding=2, dilation=2), torch.float32)
    image = torch.randn(1, 16, 30, 20)
    with torch.inference_mode():
        at_once = layer(image)
        monkeypatch.setattr(fast_network, "STRIP_BYTES", 16 * 4 * 5 * 16 * 4 * 3)  # three of eight tile rows
        torch.testing.assert_close(layer(image), at_once, rtol=1e-5, atol=1e-6)


def test_only_wide_plain_convolutions_become_winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_network, "multiplies_matrices", lambda _: False)
    layers = nn.Sequential(
        nn.Conv2d(256, 256, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=2, dilation=2),
        nn.Conv2d(256, 256, 3, padding=1, stride=2),
        nn.Conv2d(256, 256, 3),
        nn.Conv2d(256, 256, 3, padding=1, groups=2),
        nn.Conv2d(256, 256, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(256, 256, 1),
        nn.Conv2d(256, 255, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=2),
        nn.Conv2d(256, 256, 3, dilation=2),
        nn.Conv2d(256, 256, 3, padding=(1, 2), dilation=(1, 2)),
        nn.BatchNorm2d(256),
    )
    fast = speed_up(layers, torch.bfloat16)
    assert [isinstance(layer, WinogradConv) for layer in fast] == [True, True, False, True] + [False] * 8
    assert fast[2].weight.dtype == torch.bfloat16
    assert fast[-1].weight.dtype == torch.float32
    assert {parameter.dtype for parameter in layers.parameters()} == {torch.float32}


def test_parts_that_keep_float32_share_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_network, "multiplies_matrices", lambda _: False)
    layers = nn.ModuleDict(
        {name: nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, 8, 1)) for name in "ab"}
    )
    layers["b"].keep_float32 = True
    fast = speed_up(layers, torch.bfloat16)
    assert isinstance(fast["a"][0], WinogradConv)
    assert fast["a"][1].weight.dtype == torch.bfloat16
    assert [part.weight is own.weight for part, own in zip(fast["b"], layers["b"], strict=True)] == [True] * 2


def test_networks_that_choose_by_a_rounding_stay_in_float32() -> None:
    for name in ("li2018", "huang2022"):
        network = smoke_model(model_card(name)).model.network
        assert speed_up(network, torch.bfloat16) is network
    network = smoke_model(model_card("yun2023")).model.network
    assert speed_up(network, torch.bfloat16).trunk.patch_embed.proj is not network.trunk.patch_embed.proj
    assert speed_up(network, torch.bfloat16).trunk.patch_embed.proj.weight.dtype == torch.float32


def test_a_processor_that_multiplies_matrices_keeps_the_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_network, "multiplies_matrices", lambda dtype: dtype == torch.bfloat16)
    wide = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1))
    assert isinstance(speed_up(wide, torch.bfloat16)[0], nn.Conv2d)
    assert isinstance(speed_up(wide, torch.float32)[0], Winograd)


def test_the_copy_shares_all_but_the_network_and_the_original_stays_exact() -> None:
    model = create_coloring_model("zhang2017_local_small", None)
    lightness = torch.rand(1, 1, 16, 24) * 100
    with torch.inference_mode():
        before = model(lightness, Guidance()).ab
        fast = fast_module(model, torch.bfloat16)
        after = model(lightness, Guidance()).ab
    assert torch.equal(before, after)
    assert fast.network is not model.network
    assert fast.hparams is model.hparams


@pytest.mark.parametrize("name", ["zhang2017_local_small", "zhang2017_local"])
def test_bfloat16_stays_within_one_delta_e_of_float32(name: str) -> None:
    torch.manual_seed(0)
    hparams = {"width": 0.5} if name == "zhang2017_local" else {}  # half the width has wide layers too
    model = create_coloring_model(name, None, init_std=None, **hparams)
    lightness = torch.rand(2, 1, 33, 40) * 100
    with torch.no_grad():
        ab = model(lightness, Guidance()).ab / 110
        model.network.unet.ab_head[0].weight *= 13 / 110 / torch.atanh(ab.clamp(-0.999, 0.999)).std()
    answers = [
        Colorizer(model, device="cpu", precision=precision, allow_untrained=True)
        .predict(lightness, Guidance())
        .to_ab()
        for precision in ("float32", "bfloat16")
    ]
    assert answers[0].shape == (2, 2, 33, 40)
    assert answers[0].std() > 5
    assert 0 < float((answers[0] - answers[1]).norm(dim=1).mean()) < 1


@pytest.mark.parametrize("fewest", [0, 10_000], ids=["winograd", "direct"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_wide_layer_shares_its_weight_and_divides_it(
    monkeypatch: pytest.MonkeyPatch, fewest: int, bias: bool
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(fast_network, "FEWEST_PIXELS", fewest)
    divided = StoredSpectralConv(256, 256, (3, 3), padding=1, bias=bias)
    network, image = (
        nn.Sequential(nn.Conv2d(256, 256, 3, bias=bias), divided).eval(),
        torch.randn(2, 256, 9, 8),
    )
    fast = speed_up(network, torch.float32)
    assert all(isinstance(layer, SharedWinogradConv) for layer in fast)
    kept = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert {parameter.data_ptr() for parameter in fast.parameters()} <= kept
    with torch.inference_mode():
        torch.testing.assert_close(fast(image), network(image), rtol=1e-4, atol=1e-5)


def test_the_frozen_model_of_an_add_on_is_copied_too() -> None:
    model = create_coloring_model("kim2021_small")
    fast = fast_module(model, torch.bfloat16)
    assert fast.backbone.model.network.unet.ab_head[0].weight.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert fast.backbone.model.hparams is model.backbone.model.hparams


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_not_cast_are_shared(dtype: torch.dtype) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4), nn.ConvTranspose2d(4, 2, 3)
    )
    before = {name: (tensor.clone(), tensor.dtype) for name, tensor in network.state_dict().items()}
    fast = speed_up(network, dtype)
    for name, tensor in fast.state_dict().items():
        own = network.state_dict()[name]
        is_cast = name.startswith(("0.", "3.")) and dtype != torch.float32
        assert (tensor.data_ptr() != own.data_ptr()) == is_cast
        assert torch.equal(own, before[name][0])
        assert own.dtype == before[name][1]


def test_a_layer_that_runs_outside_of_autocast_stays_in_float32() -> None:
    trainer = smoke_model(model_card("yun2023"))
    model = fast_module(trainer.model.eval(), torch.bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert model(50 * torch.ones(1, 1, 32, 48), Guidance()).ab.isfinite().all()


@pytest.mark.parametrize("name", ["huang2022", "li2018"])
def test_a_network_of_discrete_steps_keeps_float32(name: str) -> None:
    card = model_card(name)
    model, guidance = smoke_model(card).model, sample_guidance({"exemplar"}, (64, 64))
    lightness = sample_input("gray", (64, 64))
    if name == "huang2022":
        guidance = Guidance()  # its matcher has weights of its own
    rounded = Colorizer(model, device="cpu", precision="bfloat16", allow_untrained=True)
    exact = Colorizer(model, device="cpu", precision="float32", allow_untrained=True)
    assert torch.equal(
        rounded.predict(lightness, guidance).to_ab(), exact.predict(lightness, guidance).to_ab()
    )


def test_stored_spectral_norms_are_folded_in() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(spectral_block(6, 8), StoredSpectralConv(8, 3, (1, 1))).eval()
    fast, image = speed_up(network, torch.float32), torch.randn(1, 6, 9, 7)
    assert not any(isinstance(layer, StoredSpectralConv) for layer in fast.modules())
    with torch.inference_mode():
        torch.testing.assert_close(fast(image), network(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_that_reads_a_folded_weight_answers_the_same(dtype: torch.dtype) -> None:
    model = smoke_model(model_card("kang2023")).model
    lightness = 100 * torch.rand(1, 1, 64, 64)
    fast = fast_module(model, dtype)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        plain, found = model(lightness).ab, fast(lightness).ab
    atol = (1e-4 if dtype == torch.float32 else 0.05) * float(plain.abs().max())
    torch.testing.assert_close(found, plain, rtol=0, atol=atol)


@torch.inference_mode()
def test_fast_linear_layers_share_their_weights_and_answer_the_same() -> None:
    network = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 8, bias=False)).eval()
    fast = fast_linears(network)
    assert [type(layer).__name__ for layer in fast] == ["OneDNNLinear", "GELU", "OneDNNLinear"]
    assert type(network[0]) is nn.Linear
    assert fast.get_parameter("0.weight") is network.get_parameter("0.weight")
    for tokens in (torch.randn(2, 5, 48), torch.randn(48), torch.randn(0, 48)):
        torch.testing.assert_close(fast(tokens), network(tokens), rtol=1e-5, atol=1e-6)
    double = network.double()
    torch.testing.assert_close(fast_linears(double)(tokens.double()), double(tokens.double()))
