"""The node for ComfyUI colorizes batches; ComfyUI itself is not needed."""

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

import colorzoo
from tiny_model import gray_image

FILE = Path(__file__).parents[1] / "contrib" / "comfyui_colorzoo.py"
SMALL = "zhang2017_local_small"


@pytest.fixture(scope="module")
def package() -> ModuleType:
    """Import the file as ComfyUI imports a custom node."""
    spec = importlib.util.spec_from_file_location("comfyui_colorzoo", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(package: ModuleType) -> Any:
    """Return a function that runs the node with default values, as ComfyUI does."""
    node = package.NODE_CLASS_MAPPINGS["ColorzooColorize"]

    def run(**inputs: Any) -> Tensor:
        found = {
            name: given[1]["default"] for name, given in node.INPUT_TYPES()["required"].items() if given[1:]
        }
        (result,) = getattr(node(), node.FUNCTION)(**{**found, "model": SMALL, **inputs})
        return result

    return run


@pytest.fixture
def batch() -> Tensor:
    one = torch.from_numpy(gray_image(60, 90)).float() / 255
    return torch.stack([one, one.flip(1)])[..., None].expand(2, 60, 90, 3)


def test_node_declares_the_arguments_of_its_function(package: ModuleType) -> None:
    assert package.NODE_CLASS_MAPPINGS.keys() == package.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in package.NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()
        arguments = [*inspect.signature(getattr(node, node.FUNCTION)).parameters][1:]
        assert arguments == [*inputs["required"], *inputs["optional"]]
        assert node.RETURN_TYPES == ("IMAGE",)


def test_node_colorizes_each_image_of_a_batch_with_points(run: Any, batch: Tensor) -> None:
    found = run(image=batch, points="30,20=#c04020\n\n 70 , 40 = #000080\n", strength=0.8)
    assert (found.shape, found.dtype) == (batch.shape, torch.float32)
    points = [{"x": 30, "y": 20, "color": "#c04020"}, {"x": 70, "y": 40, "color": "#000080"}]
    for image, colored in zip(batch, found, strict=True):
        expected = colorzoo.colorize(image.movedim(-1, 0), SMALL, {"points": points}, strength=0.8)
        assert (colored * 255).round().byte().movedim(-1, 0).equal(pil_to_tensor(expected))
    assert not found.equal(run(image=batch, strength=0.8))


def test_node_uses_reference_images_and_ignores_alpha(run: Any, batch: Tensor) -> None:
    reference = batch[:1] * torch.tensor([1.0, 0.4, 0.2])
    found = run(image=batch[:1], model="automatic", reference=reference)
    assert not found.equal(run(image=batch[:1], model="automatic"))
    with_alpha = [
        torch.cat([each, torch.ones_like(each[..., :1])], dim=-1) for each in (batch[:1], reference)
    ]
    assert found.equal(run(image=with_alpha[0], model="automatic", reference=with_alpha[1]))


def test_node_rejects_malformed_points(run: Any, batch: Tensor) -> None:
    with pytest.raises(ValueError, match="'points' must be X,Y=#RRGGBB"):
        run(image=batch, points="30;20=#c04020")
