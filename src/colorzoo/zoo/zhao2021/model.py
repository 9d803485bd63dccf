"""Color2Embed: exemplar-based image colorization with color embeddings (Zhao et al. 2021).

A color encoder maps a reference to one vector, which modulates the decoder of a U-Net. The U-Net predicts ab
from lightness. https://arxiv.org/abs/2106.08017
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import ExemplarModel
from colorzoo.color import lightness_to_rgb
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.imagenet import normalized, outputs_of, vgg_layers
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.prediction import AbPrediction
from colorzoo.settings import PositiveInt, Width

_STRIDE = 16
_SKIP_STEP = 4  # every fourth encoder channel is passed to the decoder
_EPSILON = 1e-8
_TAPS = (3, 8, 13, 22, 31)  # relu1_2, relu2_2, relu3_2, relu4_2, relu5_2

# VGG-19 layers after relu5_2, and a second copy of VGG-19
UNUSED = r"^colorEncoder\.vgg\.(vgg_model\.(classifier\.|features\.3[24]\.)|vgg_feature\.)"
NAMES: tuple[Pattern, ...] = (
    (r"colorEncoder\.vgg\.vgg_model\.features\.", "encoder.features.layers."),
    (r"colorEncoder\.feature2vector\.", "encoder.to_vector."),
    (r"colorUNet\.inc\.double_conv\.", "unet.inc."),
    (r"colorUNet\.(down\d)\.main\.0\.", r"unet.\1.halve.0."),
    (r"colorUNet\.(down\d)\.main\.2\.bottle_conv\.", r"unet.\1.widen."),
    (r"colorUNet\.(down\d)\.main\.2\.double_conv\.", r"unet.\1.refine."),
    (r"colorUNet\.(up\d)\.conv_cat\.", r"unet.\1.join."),
    (r"colorUNet\.(up\d)\.conv_s\.", r"unet.\1.shortcut."),
    (r"colorUNet\.(up\d)\.SDFT\.", r"unet.\1.modulated."),
    (r"colorUNet\.", "unet."),
)
"""Patterns that rename the parameters in the authors' checkpoint."""


class VGGFeatures(nn.Module):
    """Feature network: VGG-19 up to relu5_2 with torchvision's layers and normalization.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.layers = vgg_layers(19, _TAPS[-1] + 1, width=width)

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return the maps relu1_2, relu2_2, relu3_2, relu4_2 and relu5_2 of RGB images.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        return tuple(outputs_of(self.layers, normalized(rgb), _TAPS))


class ColorEncoder(nn.Module):
    """Encoder that maps a reference image to a color vector.

    VGG-19 is followed by four convolutions, average pooling and three linear layers.

    Args:
        width: Multiplier for the channel counts and the vector length.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        wide, narrow = scaled_width(512, width), scaled_width(256, width)
        self.features = VGGFeatures(width)
        self.size = wide
        self.to_vector = nn.Sequential(
            *_convolution(nn.Conv2d(wide, wide, 4, stride=2, padding=2)),
            *_convolution(nn.Conv2d(wide, wide, 3, padding=1)),
            *_convolution(nn.Conv2d(wide, wide, 4, stride=2, padding=2)),
            *_convolution(nn.Conv2d(wide, wide, 3, padding=1)),
            nn.AdaptiveAvgPool2d(1),
            *_convolution(nn.Conv2d(wide, narrow, 1)),
            *_convolution(nn.Conv2d(narrow, narrow, 1)),
            nn.Conv2d(narrow, wide, 1),
        )

    def forward(self, rgb: Tensor) -> Tensor:
        """Return color vectors ``(B, V)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        vector: Tensor = self.to_vector(self.features(rgb)[-1])
        return vector.flatten(1).float()


class ModulatedConvolution(nn.Module):
    """Convolution modulated per input channel and demodulated per output channel.

    The layer ("SDFT" in the authors' code) is StyleGAN2's modulated convolution without noise, bias and
    activation.

    Args:
        channels: Input and output channels.
        kernel: Kernel size.
        vector: Length of the modulation vector.
    """

    def __init__(self, channels: int, kernel: int, vector: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels, kernel, kernel))
        self.modulation = nn.Linear(vector, channels)
        self.scale = 1 / math.sqrt(channels * kernel**2)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """Convolve feature maps, with channels scaled by a function of ``vector``.

        Args:
            x: ``(B, C, H, W)``, feature maps.
            vector: ``(B, V)``, one modulation vector per image, or ``(V,)`` for all images.
        """
        style = self.modulation(vector)
        factor = torch.rsqrt(self.squared_norms(style) + _EPSILON)
        weight = self.scale * self.weight
        y = F.conv2d(x * style[..., None, None], weight, padding=self.weight.shape[-1] // 2)
        return y * factor[..., None, None].to(y.dtype)

    def squared_norms(self, style: Tensor) -> Tensor:
        """Return the squared weight norm ``(B, C)`` of each output channel after modulation.

        Args:
            style: Modulation factor of each input channel, ``(B, C)``.
        """
        with torch.autocast(style.device.type, enabled=False):
            squares = (self.scale * self.weight.float()).square().sum(dim=(2, 3))
            return style.float().square() @ squares.T


class Down(nn.Module):
    """Downsampling block with stride 2, a 1 x 1 convolution and a residual branch.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.halve = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 4, stride=2, padding=1), nn.LeakyReLU(0.1)
        )
        self.widen = nn.Conv2d(in_channels, out_channels, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(B, in_channels, H, W)`` to features ``(B, out_channels, H/2, W/2)``."""
        x = self.widen(self.halve(x))
        return (x + self.refine(x)) / math.sqrt(2)


class Up(nn.Module):
    """Upsampling block with a skip connection and a modulated convolution.

    Only every fourth channel of the skip connection is used.

    Args:
        in_channels: Input channels.
        skip: Channels of the skip connection before the selection.
        out_channels: Output channels.
        kernel: Kernel size of the modulated convolution.
        vector: Length of the modulation vector.
    """

    def __init__(self, in_channels: int, skip: int, out_channels: int, *, kernel: int, vector: int) -> None:
        super().__init__()
        self.join = nn.Sequential(
            nn.Conv2d(in_channels + -(-skip // _SKIP_STEP), out_channels, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)
        self.modulated = ModulatedConvolution(out_channels, kernel, vector)

    def forward(self, x: Tensor, skip: Tensor, vector: Tensor) -> Tensor:
        """Return the feature map ``(B, out_channels, 2H, 2W)``.

        Args:
            x: Decoder map ``(B, in_channels, H, W)``.
            skip: Encoder map ``(B, C, 2H, 2W)`` of the skip connection.
            vector: Modulation vectors ``(B, V)`` or a single vector.
        """
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        y = self.join(torch.cat([x, skip[:, ::_SKIP_STEP].to(x.dtype)], dim=1))
        return self.modulated(y, vector) + self.shortcut(x)


class ColorUNet(nn.Module):
    """U-Net that predicts ab from lightness and a modulation vector.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        vector: Length of the modulation vector.
    """

    def __init__(self, width: float = 1.0, vector: int = 512) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.inc = nn.Sequential(
            nn.Conv2d(1, c64, 3, padding=1),
            nn.BatchNorm2d(c64),
            nn.LeakyReLU(0.1),
            nn.Conv2d(c64, c64, 3, padding=1),
            nn.BatchNorm2d(c64),
            nn.LeakyReLU(0.1),
        )
        self.down1 = Down(c64, c128)
        self.down2 = Down(c128, c256)
        self.down3 = Down(c256, c512)
        self.down4 = Down(c512, c512)
        self.up1 = Up(c512, c512, c256, kernel=3, vector=vector)
        self.up2 = Up(c256, c256, c128, kernel=3, vector=vector)
        self.up3 = Up(c128, c128, c64, kernel=5, vector=vector)
        self.up4 = Up(c64, c64, c64, kernel=5, vector=vector)
        self.outc = nn.Sequential(
            nn.Conv2d(c64, c64, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(c64, 2, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, lightness: Tensor, vector: Tensor) -> Tensor:
        """Return ab / 110, ``(B, 2, H, W)``.

        Args:
            lightness: ``(B, 1, H, W)``, (L - 50) / 50; H and W are multiples of 16.
            vector: Modulation vectors ``(B, V)`` or a single vector.
        """
        x1 = self.inc(lightness)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4, vector)
        x = self.up4(self.up3(self.up2(x, x3, vector), x2, vector), x1, vector)
        return self.outc(x)


class Color2EmbedNetwork(nn.Module):
    """Color encoder and U-Net for images of any size, including input and output scaling.

    Args:
        width: Multiplier for every channel count and the vector length.
        reference_side: Side in pixels of the square to which references are resized.
    """

    def __init__(self, width: float, reference_side: int) -> None:
        super().__init__()
        self.encoder, self.reference_side = ColorEncoder(width), reference_side
        self.unet = ColorUNet(width, self.encoder.size)

    def vector(self, rgb: Tensor) -> Tensor:
        """Return color vectors ``(B, V)`` of references.

        References are resized to a square without antialiasing, as in the authors' script.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        side = (self.reference_side, self.reference_side)
        square = F.interpolate(rgb.float(), size=side, mode="bilinear")
        return self.encoder(square)

    def forward(self, lightness: Tensor, vector: Tensor) -> Tensor:
        """Predict ab ``(B, 2, H, W)`` in CIE units.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            vector: Output of the method `vector`.
        """
        height, width = lightness.shape[-2:]
        ab: Tensor = self.unet((pad_to_multiple(lightness, _STRIDE) - 50) / 50, vector)
        return AB_SCALE * ab[:, :, :height, :width].float()


def _convolution(layer: nn.Conv2d) -> tuple[nn.Module, nn.Module]:
    return layer, nn.LeakyReLU(0.2)


class Color2Embed(ColoringModel, ExemplarModel):
    """Exemplar colorization with one color vector per reference.

    Args:
        width: Multiplier for every channel count and the vector length; 1.0 matches the published network.
        reference_side: Side in pixels of the square to which references are resized in inference. Use
            training crops of this size, because padding affects the vector and training does not resize
            references.
    """

    accepts = frozenset({"exemplar"})
    published_names, published_unused = NAMES, UNUSED
    feature_layers = (
        "network.unet.inc",
        "network.unet.down1",
        "network.unet.down2",
        "network.unet.down3",
        "network.unet.down4",
    )

    network: Color2EmbedNetwork

    def __init__(self, width: Width = 1.0, reference_side: PositiveInt = 256) -> None:
        super().__init__(Color2EmbedNetwork(width, reference_side))

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return color vectors ``(B, 1, V)`` of references ``(B, 3, H, W)`` in [0, 1]."""
        return self.network.vector(rgb).unsqueeze(1)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; without an exemplar, the gray input image serves as the reference.

        An exemplar's ``alpha`` interpolates between the color vectors of the gray image (0) and the exemplar
        (1).
        """
        gray = Exemplar(lightness_to_rgb(lightness))
        exemplar = (guidance or Guidance()).exemplar or gray
        vector = exemplar.embed_by(self.encode_reference, lambda: gray.embed_by(self.encode_reference))
        return AbPrediction(ab=self.network(lightness, vector[:, 0]))
