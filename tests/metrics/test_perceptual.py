"""LPIPS against the `lpips` package, with pseudo-random backbones and the published linear layers."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lpips
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import WeightsError
from colorzoo.metrics import BandLPIPS, MeanLPIPS
from colorzoo.metrics.edges import edge_band
from metrics import common_checks
from metrics.cases import IMAGES, NAN
from metrics.common_checks import Batch, Case, Values
from pseudo_weights import pseudo_state_dict

NETS = ("alex", "squeeze")


def reference_network(net: str, *, spatial: bool = False) -> torch.nn.Module:
    """Return the package's network with a pseudo-random backbone."""
    network = lpips.LPIPS(net=net, pnet_rand=True, spatial=spatial, verbose=False)
    shapes = {key: tuple(value.shape) for key, value in network.net.state_dict().items()}
    backbone = {key: torch.from_numpy(value) for key, value in pseudo_state_dict(shapes).items()}
    network.net.load_state_dict(backbone)
    return network.eval()


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of the same backbones under torchvision's names."""
    folder = tmp_path_factory.mktemp("backbones")
    for net in NETS:
        state = reference_network(net).net.state_dict()
        torch.save({re.sub(r"^slices?\d+\.", "features.", k): v for k, v in state.items()}, folder / net)
    return {net: folder / net for net in NETS}


def upsampled(batch: Batch) -> Batch:
    sizes = {name: F.interpolate(batch[name], size=(64, 72)) for name in ("rgb", "target")}
    return sizes | {"edges": (F.interpolate(batch["edges"], size=(64, 72)) > 0).float()}


BATCHES = [upsampled(batch) for batch in IMAGES[:2]]


def package_lpips(batch: Batch, net: str, size: int | None = None) -> Values:
    network = reference_network(net, spatial=size is not None)
    with torch.no_grad():
        distance: Tensor = network(batch["rgb"], batch["target"], normalize=True)
    if size is None:
        return {f"lpips_{net}": float(distance.mean())}
    inside = edge_band(batch["edges"], size)[:, 0].bool()
    means = [float(one[mask].mean()) for one, mask in zip(distance[:, 0], inside, strict=True)]
    return {f"lpips_{net}_k{size}": sum(means) / len(means), "excluded": 0}


def plain_case(net: str, backbones: dict[str, Path]) -> Case:
    batches = [{name: batch[name] for name in ("rgb", "target")} for batch in BATCHES]
    build, reference = partial(MeanLPIPS, net, backbones[net]), partial(package_lpips, net=net)
    return Case(net, build, batches, reference, empty={f"lpips_{net}": NAN})


def band_case(backbones: dict[str, Path]) -> Case:
    return Case(
        "lpips_k7",
        partial(BandLPIPS, weights=backbones["alex"]),
        BATCHES,
        partial(package_lpips, net="alex", size=7),
        empty={"lpips_alex_k7": NAN, "excluded": 0},
    )


@pytest.mark.parametrize("net", NETS)
def test_mean_lpips_equals_lpips_package(net: str, backbones: dict[str, Path]) -> None:
    common_checks.check_reference(plain_case(net, backbones))


def test_band_lpips_equals_band_mean_of_lpips_package(backbones: dict[str, Path]) -> None:
    common_checks.check_reference(band_case(backbones))


@pytest.mark.parametrize(
    "check",
    [
        common_checks.check_accumulation,
        common_checks.check_half,
        common_checks.check_empty,
        common_checks.check_gradient,
    ],
)
def test_lpips_passes_common_metric_checks(check: Callable[[Case], None], backbones: dict[str, Path]) -> None:
    check(plain_case("squeeze", backbones))
    check(band_case(backbones))


def test_mean_lpips_raises_error_for_weights_of_another_network(backbones: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match=r"squeeze backbone of LPIPS") as error:
        MeanLPIPS("squeeze", backbones["alex"])
    assert "\n" not in str(error.value)
