"""Colorize an image with an ONNX file of a colorzoo release; colorzoo is not needed.

python -m pip install numpy pillow onnxruntime
python colorize.py colorzoo2026.onnx old.jpg new.png            # a photo
python colorize.py colorzoo2026_drawing.onnx lines.png new.png  # a drawing
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

SHORTER_SIDE = 256  # of the network input
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)  # D65


def lightness_of(rgb: np.ndarray) -> np.ndarray:
    """Return L in [0, 100] of sRGB in [0, 1]."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    y = linear @ TO_XYZ[1]
    return 116 * np.where(y > 0.008856, np.cbrt(y), 7.787 * y + 16 / 116) - 16


def lab_to_rgb(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return sRGB in [0, 1] of Lab."""
    y = (lightness + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(roots > 0.206893, roots**3, (roots - 16 / 116) / 7.787) * WHITE
    linear = np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


def resized(image: np.ndarray, size: tuple[int, int], method: Image.Resampling) -> np.ndarray:
    """Resize an array (H, W) to a size (width, height)."""
    return np.asarray(Image.fromarray(image.astype(np.float32)).resize(size, method))


def main(model: str, source: str, target: str) -> None:
    """Colorize one image."""
    rgb = np.asarray(Image.open(source).convert("RGB")) / 255
    height, width = rgb.shape[:2]
    scale = min(1, SHORTER_SIDE / min(height, width))
    small = max(1, round(width * scale)), max(1, round(height * scale))

    session = onnxruntime.InferenceSession(model)
    is_drawing = session.get_outputs()[0].name == "rgb"
    full = rgb @ TO_XYZ[1] if is_drawing else lightness_of(rgb)  # drawings: brightness in [0, 1]
    network_input = resized(full, small, Image.Resampling.BOX)

    # missing guidance, such as no color points: zeros, or a saturation of -1
    feeds = {}
    for each in session.get_inputs():
        default = (1, 1, *small[::-1])
        shape = [known if isinstance(known, int) else default[i] for i, known in enumerate(each.shape)]
        feeds[each.name] = np.full(shape, -1 if each.name == "statistics_saturation" else 0, np.float32)
    feeds["lightness"] = network_input[None, None]
    colors = session.run(None, feeds)[0][0]
    channels = [resized(each, (width, height), Image.Resampling.BILINEAR) for each in colors]

    if is_drawing:  # the lines have the full resolution, the colors between them do not
        lines = resized(network_input, (width, height), Image.Resampling.BILINEAR)
        result = np.stack(channels, axis=-1) * (full / np.maximum(lines, 0.1))[..., None]
    else:
        result = lab_to_rgb(full, *channels)
    Image.fromarray((255 * np.clip(result, 0, 1)).round().astype(np.uint8)).save(target)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python colorize.py MODEL.onnx OLD NEW")
    main(*sys.argv[1:])
