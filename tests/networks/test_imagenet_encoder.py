"""The frozen ImageNet encoder equals timm's EfficientNet-Lite2."""

import timm
import torch

from colorzoo.networks.imagenet_encoder import HEAD, ImageNetEncoder


def random_lite2() -> torch.nn.Module:
    """Return timm's network with random weights and statistics, in eval mode."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite2").eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    return network


def folded_weights(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return timm's weights for one channel, with the BatchNorm layers folded into the convolutions."""
    tensors = [value for name, value in state_dict.items() if not name.endswith("num_batches_tracked")]
    names = [name.removesuffix(".weight") for name in ImageNetEncoder().state_dict() if "weight" in name]
    folded = {}
    for number, name in enumerate(names):
        kernel, scale, shift, mean, variance = tensors[5 * number : 5 * number + 5]
        factor = scale / (variance + 1e-3).sqrt()  # BatchNorm epsilon of EfficientNet-Lite
        kernel = kernel.sum(1, keepdim=True) if number == 0 else kernel
        folded |= {
            f"{name}.weight": kernel * factor[:, None, None, None],
            f"{name}.bias": shift - mean * factor,
        }
    return folded


def test_imagenet_encoder_equals_timm_for_gray_images() -> None:
    reference, encoder = random_lite2(), ImageNetEncoder().eval()
    encoder.load_state_dict(folded_weights(reference.state_dict()))
    lightness = 100 * torch.rand(2, 1, 64, 96)
    rgb = ((2.55 * lightness - 127) / 128).expand(-1, 3, -1, -1)
    with torch.no_grad():
        found = encoder(lightness)
        _, wanted = reference.forward_intermediates(rgb, indices=[1, 2, 3, 4])
        vector = reference.forward_features(rgb).mean((2, 3))
    shapes = [(24, 16, 24), (48, 8, 12), (120, 4, 6), (352, 2, 3)]
    assert [tuple(maps.shape[1:]) for maps in found[:4]] == shapes
    for maps, others in zip(found[:4], wanted, strict=True):
        torch.testing.assert_close(maps, others, rtol=1e-3, atol=1e-3 * float(others.abs().max()))
    assert found.vector.shape == (2, HEAD)
    torch.testing.assert_close(found.vector, vector, rtol=1e-3, atol=1e-3 * float(vector.abs().max()))
