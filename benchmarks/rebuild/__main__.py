"""Rebuild a weight file of the package: ``python -m benchmarks.rebuild NAME --data FOLDER --out FOLDER``.

The commands repeat all training stages and the conversion. ``--dry-run`` prints the commands. ``--smoke``
runs them with three steps for each stage on generated images. ``--resume`` continues an interrupted rebuild.
Other options, such as ``--trainer.max_steps 40000 --data.num_workers 12`` on a GPU, are passed to each
``colorzoo fit``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf
from PIL import Image

from benchmarks._held_out import is_held_out_group
from benchmarks.rebuild._plans import PLANS, Plan
from benchmarks.rebuild.text import write_sample_sources
from colorzoo.apps.cli.main import main as colorzoo_main
from colorzoo.data.sources import Sources, digest_of, find_sources
from colorzoo.testing.samples import write_sample_images
from colorzoo.training.configs import find_config
from colorzoo.weights.catalog import EMBEDDED_FOLDER

SMOKE = {
    "--trainer.max_steps": "3",
    "--trainer.max_epochs": "-1",
    "--trainer.precision": "32-true",
    "--trainer.accelerator": "cpu",
    "--trainer.enable_progress_bar": "false",
    "--data.batch_size": "2",
    "--data.crop": "64",
    "--data.resize": "72",
    "--data.val_size": "64",
    "--data.val_limit": "2",
}
"""Options that shorten a training stage to a test run."""


def commands_of(
    plan: Plan, data: str, out: str, *, smoke: bool = False, resume: bool = False, options: Sequence[str] = ()
) -> list[list[str]]:
    """Return the commands of a plan as lists of words.

    Args:
        plan: The plan.
        data: Folder of the training images.
        out: Output folder.
        smoke: Whether to shorten each training stage to three steps of small crops.
        resume: Whether each training stage continues from the newest checkpoint of its output folder, if the
            folder contains a checkpoint. Converted files are overwritten.
        options: Further options of each training stage.
    """
    commands = []
    for text in plan.commands:
        middle = {step: 1 if smoke else step for step in (1000, 1250)}
        words = shlex.split(text.format(data=data, out=out, embedded=EMBEDDED_FOLDER, middle=middle))
        if words[:2] == ["colorzoo", "fit"]:
            words += [f"{option}={value}" for option, value in SMOKE.items()] if smoke else []
            words += ["--ckpt_path", words[words.index("--trainer.default_root_dir") + 1]] if resume else []
            words += options
        elif resume and words[:3] == ["colorzoo", "weights", "convert"]:
            words.append("--overwrite")  # of an earlier conversion
        commands.append(words)
    return commands


def write_images(layout: str, folder: Path) -> None:
    """Write generated training and validation images, in the folders that a plan's data module expects."""
    if layout == "photos":
        write_sample_images(folder, count=16, size=(96, 112), classes=2)
        return
    if layout == "text":
        write_sample_sources(folder)
        return
    if layout == "shards":
        write_shards(folder)
        return
    generated = folder / "generated"
    write_sample_images(generated, count=16, size=(96, 112), classes=2)
    if layout == "mixed":
        factors = OmegaConf.load(find_config("data/mixed.yaml")).data.init_args.class_factors
        for split, name in itertools.product(("train", "val"), ("old/class0", *factors)):
            shutil.copytree(generated / split / "class0", folder / split / name)
        shutil.rmtree(generated)
        return
    for split in ("train", "val"):
        for kind in ("images", "lines"):
            shutil.copytree(generated / split, folder / split / kind)
    shutil.rmtree(generated)


def write_shards(folder: Path) -> None:
    """Write generated drawings and characters as tar files, with one image of each sampled class."""
    factors = OmegaConf.load(find_config("data/characters.yaml")).data.init_args.class_factors
    classes = [name for name in factors if not name.endswith("_recolored")]
    numbered = (f"group {number}" for number in itertools.count())
    group = next(name for name in numbered if not is_held_out_group(name))
    images = iter(write_sample_images(folder / "generated", count=2 * len(classes), size=(96, 112)))
    for archive, table, prefix in (
        ("train-00.tar", "manifest.csv.gz", ""),
        ("characters.tar", "characters.csv", "c_"),
    ):
        rows = io.StringIO(newline="")
        writer = csv.writer(rows)
        writer.writerow(("key", "source", "group", "tags"))
        with tarfile.open(folder / archive, "w") as tar:
            for name in classes:
                if name.startswith("c_") != bool(prefix):
                    continue
                tags = "skin=#f2d3b1" if f"{name}_recolored" in factors else ""
                writer.writerow((name, name.removeprefix(prefix), group, tags))
                stream = io.BytesIO()
                Image.open(next(images)).save(stream, "WEBP")
                for suffix in (".webp", ".lines.webp"):
                    member = tarfile.TarInfo(f"{name}{suffix}")
                    member.size = len(stream.getvalue())
                    tar.addfile(member, io.BytesIO(stream.getvalue()))
        content = rows.getvalue().encode()
        (folder / table).write_bytes(gzip.compress(content) if table.endswith(".gz") else content)
    for kind in ("images", "lines"):
        shutil.copytree(folder / "generated" / "val", folder / "val" / kind)
    shutil.rmtree(folder / "generated")


def weights_table() -> str:
    """Return the table of training data, durations and dates in ``docs/weights.md``."""
    lines = [
        "| weights | training images | licenses of the images | hours of training | date | rebuilt |",
        "|---|---|---|---|---|---|",
    ]
    for name, plan in sorted(PLANS.items()):
        count = f"{plan.data.images:,} " if plan.data.images else ""
        digest = f" (SHA-256 `{plan.data.sha256[:12]}`)" if plan.data.sha256 else ""
        rebuilt = "no" if plan.lost else "with differences" if plan.differences else "yes"
        cells = (
            f"`{name}`",
            f"{count}{plan.data.content}{digest}",
            plan.data.licenses,
            plan.hours,
            plan.date,
        )
        lines.append(f"| {' | '.join((*cells, rebuilt))} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or run the commands of a plan; return the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rebuild", description=__doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", help=", ".join(sorted(PLANS)))
    parser.add_argument("--table", action="store_true", help="print the table of docs/weights.md")
    parser.add_argument("--data", type=Path, help="folder of the training images")
    parser.add_argument("--out", type=Path, help="output folder, which must not exist or be empty")
    parser.add_argument("--dry-run", action="store_true", help="print the commands")
    parser.add_argument(
        "--smoke", action="store_true", help="run three steps of each stage on generated images"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted rebuild in the folder --out"
    )
    args, options = parser.parse_known_args(arguments)
    if args.table:
        print(weights_table(), end="")
        return 0
    if args.name not in PLANS:
        parser.error(f"NAME must be one of {', '.join(sorted(PLANS))}, got {args.name}")
    plan = PLANS[args.name]
    print(f"# data: {plan.data.content}; {plan.data.images or 'unknown number of'} images")
    if plan.data.sha256:
        print(f"# SHA-256 of their paths and sizes: {plan.data.sha256}")
    if plan.lost:
        print(f"# The included file cannot be rebuilt. {plan.lost}")
    if plan.differences:
        print(f"# differences from the training of the included file: {plan.differences}")
    if args.dry_run:
        data, out = str(args.data or "DATA"), str(args.out or "OUT")
        for words in commands_of(plan, data, out, smoke=args.smoke, resume=args.resume, options=options):
            print(shlex.join(words))
        return 0

    # the output folder, and the training images
    if args.out is None or (args.data is None and not args.smoke):
        parser.error("--data and --out are required, except with --dry-run or --smoke")
    if not args.resume and args.out.exists() and any(args.out.iterdir()):
        parser.error(f"--out must be a new or empty folder, got {args.out}. Add --resume to continue.")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.smoke:
        if not plan.smoke:
            parser.error(f"--smoke is not available for {args.name}, whose source must be downloaded")
        args.data = args.out / "smoke_data"
        if not args.data.exists():
            write_images(plan.data.layout, args.data)
    elif plan.data.sha256:
        root = args.data / "train"
        folder = root / "images" if plan.data.layout == "drawings" else root
        found = digest_of(Sources.of(find_sources(folder if folder.is_dir() else args.data)), args.data)
        if found["sha256"] != plan.data.sha256:
            print(
                f"# the {found['images']} images of --data differ from the recorded images", file=sys.stderr
            )

    # the commands
    data, out = str(args.data), str(args.out)
    for words in commands_of(plan, data, out, smoke=args.smoke, resume=args.resume, options=options):
        print(shlex.join(words), flush=True)
        program, *rest = words
        if program == "colorzoo":
            code = colorzoo_main(rest)
        else:
            code = subprocess.run([sys.executable, *rest], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
