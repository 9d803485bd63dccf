"""Feature networks of FID: their names, what they do to a picture first, where their weights come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from colorzoo.errors import WeightsError
from colorzoo.metrics.frozen import published_weights
from colorzoo.metrics.psnr import to_8bit
from colorzoo.metrics.timm_network import timm_network
from colorzoo.weights import load_state_dict_file


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns pictures into vectors, under the name that stays beside its numbers.

    Attributes:
        name: Of the network and its weights.
        preprocessing: In short, what it does to a picture first: size, interpolation, normalization.
        network: Takes ``(B, 3, H, W)`` in [0, 1] of whole 8-bit levels, gives ``(B, dimension)``.
        dimension: Length of the vectors.
    """

    name: str
    preprocessing: str
    network: nn.Module
    dimension: int


def feature_network(name: str = "inception-v3", weights: Path | None = None) -> FeatureNetwork:
    """Build a feature network by name.

    Args:
        name: ``"inception-v3"``, the TensorFlow network of 2015 that FID is defined with, or the name of a
            timm model.
        weights: Its weight file; by default the published one is fetched once.

    Raises:
        WeightsError: The weights are not here or do not fit, or no network has that name.
    """
    return _inception(weights) if name == "inception-v3" else _timm(name, weights)


class _Inception(nn.Module):
    """torch-fidelity's extractor behind [0, 1] floats."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, rgb: Tensor) -> Tensor:
        features: Tensor = self.extractor(to_8bit(rgb).byte())[0]
        return features


def _inception(weights: Path | None) -> FeatureNetwork:
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as fidelity
    except ImportError as error:
        raise WeightsError(
            "the feature network inception-v3 needs a package that is not here: pip install torch-fidelity"
        ) from error
    state = load_state_dict_file(weights) if weights else published_weights(fidelity.URL_INCEPTION_V3)
    with TemporaryDirectory() as folder:
        # The extractor reads its weights only from a file, as a pickle that may run code; ours holds none.
        path = Path(folder) / "inception.pth"
        torch.save(state, path)
        try:
            extractor = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise WeightsError(f"the weights do not fit inception-v3: {reason}") from error
    return FeatureNetwork("inception-v3", "299-tf1-bilinear", _Inception(extractor), 2048)


def _timm(name: str, weights: Path | None) -> FeatureNetwork:
    import timm

    if not timm.is_model(name):
        raise WeightsError(f"no feature network {name!r}; expected inception-v3 or the name of a timm model")
    network = timm_network(name, weights, num_classes=0)
    dimension = int(network.model.num_features)  # type: ignore[arg-type]  # every timm model has it as int
    return FeatureNetwork(f"timm-{name}", network.preprocessing, network, dimension)
