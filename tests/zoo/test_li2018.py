"""Li et al. 2018: strength, smoothing, labels, and conversion of VGG-19."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.li2018.model import Architecture, ClosedFormStylization
from colorzoo.zoo.li2018.network import recolor
from colorzoo.zoo.li2018.published import convert_published
from colorzoo.zoo.li2018.smoothing import affinities, last_filter, smooth_closed_form

GOLDEN = Path(__file__).parent.parent / "golden"
CONTENT, STYLE = sample_image((40, 52)), sample_image((36, 44), seed=3)


@pytest.fixture(scope="module")
def model() -> Any:
    return contract_test_model(model_card("photowct")).model


def narrow(**settings: Any) -> ClosedFormStylization:
    """Return a model with the same weights and other postprocessing settings."""
    made = ClosedFormStylization(Architecture(width=0.125, **settings))
    made.load_state_dict(contract_test_model(model_card("li2018")).model.state_dict())
    return made.eval()


def test_stylize_alpha_interpolates_between_content_and_result(model: Any) -> None:
    full, none, half = (model.stylize(CONTENT, STYLE, transform="wct", alpha=a) for a in (1.0, 0.0, 0.5))
    assert torch.equal(none, CONTENT)
    torch.testing.assert_close(half, (full + CONTENT) / 2)
    assert full.shape == CONTENT.shape
    assert 0 <= full.min() <= full.max() <= 1


def test_smoothing_and_last_filter_settings_change_the_result() -> None:
    settings = [
        ("closed_form", True),
        ("closed_form", False),
        ("guided", False),
        ("none", True),
        ("none", False),
    ]
    found = [
        narrow(smoothing=kind, last_filter=last).stylize(CONTENT, STYLE, transform="wct")
        for kind, last in settings
    ]
    raw = narrow().network(CONTENT, STYLE)[-1].clamp(0, 1)
    assert torch.equal(found[-1], raw)
    for index, one in enumerate(found):
        assert all((one - other).abs().max() > 1e-3 for other in found[:index])
    # smoothing of a bright style exceeds white; values are clipped only after the last filter
    smooth, filtered = (
        narrow(last_filter=last).stylize(CONTENT, (1 + STYLE) / 2, transform="wct")[0]
        for last in (False, True)
    )
    assert torch.equal(filtered, last_filter(smooth, CONTENT[0]).clamp(0, 1))


def test_labels_limit_the_color_transfer_to_equal_labels(model: Any) -> None:
    lightness = rgb_to_lab(CONTENT)[:, :1]
    ours, theirs = torch.zeros(1, 1, 40, 52, dtype=torch.int64), torch.zeros(1, 1, 36, 44, dtype=torch.int64)
    ours[..., 26:], theirs[..., 22:] = 1, 2  # the right half has no label in the reference
    classes = ClassMap(ours, theirs)
    apart = model(lightness, Guidance(exemplar=Exemplar(STYLE), classes=classes)).ab
    assert (apart - model(lightness, Guidance(exemplar=Exemplar(STYLE))).ab).abs().max() > 0.1
    features, style = torch.rand(1, 4, 5, 13), torch.rand(1, 4, 9, 11)
    moved = recolor(features, style, ([ours[0, 0]], [theirs[0, 0]]))
    right = slice(7, None)
    assert torch.equal(moved[..., right], features[..., right])
    assert (moved[..., :6] - features[..., :6]).abs().max() > 0.1


def test_smooth_closed_form_equals_a_direct_solver() -> None:
    stylized, guide = (
        sample_image((24, 31), seed=seed)[0].permute(1, 2, 0).double().numpy() for seed in (1, 2)
    )
    guide[:9, :9] = 0.5  # a flat part
    weights, beta = affinities(guide), 0.9999
    scale = 1 / np.sqrt(weights.sum(axis=0))
    normalized = weights.multiply(scale[:, None]).multiply(scale[None])
    system = (eye_array(24 * 31) - beta * normalized).tocsc()
    wanted = spsolve(system, (1 - beta) * stylized.reshape(-1, 3)).reshape(24, 31, 3)
    assert np.abs(smooth_closed_form(stylized, guide, beta=beta) - wanted).max() < 1e-5


def test_convert_published_maps_vgg19_to_the_encoders() -> None:
    state = {
        f"features.{n}.{k}": torch.tensor(float(n))
        for n in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)
        for k in ("weight", "bias")
    }
    ours = convert_published(state)
    own = {key for key in ClosedFormStylization(Architecture(width=0.125)).state_dict() if "encoders" in key}
    assert ours.keys() == own
    assert ours["network.encoders.2.conv3_1.weight"] == 10
    assert ours["network.encoders.3.conv4_1.bias"] == 19
    white = torch.nn.functional.conv2d(
        torch.ones(1, 3, 1, 1), ours["network.encoders.0.conv0.weight"], ours["network.encoders.0.conv0.bias"]
    )
    torch.testing.assert_close(
        white.flatten(), (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    )
