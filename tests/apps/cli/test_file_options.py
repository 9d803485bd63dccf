"""Every option that names a file, in every command: inputs and files of others stay as they are.

The options come from the parsers. The outcome of each command, option and situation is written as a table to
the file in the environment variable ``COLORZOO_FILE_TABLE``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import VERBS, main
from colorzoo.testing import sample_image
from tiny_model import NAME, gray_image, write_tiny_weights
from tiny_video import scene, write_video

SMALL, FULL = "size=1m", "size=4k"
pytestmark = pytest.mark.timeout(1400)  # two static pages take four minutes on an idle machine
NOT_FILES = {  # options with text that does not name a file
    "colorize": "point reach box finish crop border model device engine reassigned hints sheet",
    "stylize": "model device",
    # the sheet is written only if the objects of recipes are found; see tests/apps/cli/test_video.py
    "video": "model device border frames hints match_sheet",
    "evaluate": "interactions metrics compare baseline reach columns examples device",
    "data shard": "hints",
    "data verify": "layout",
    "models": "pattern guidance license",
    "studio": "model device host allow_host",
    "serve": "token model device host allow_host log",  # a log is only continued
    "weights fetch": "name tag",
    "weights verify": "name",
    "weights convert": "name set keep",
    "weights export": "name guidance",
    "new-paper": "name",  # all files of the new folder are checked, see test_new_paper.py
}
INPUTS = {  # sample of each input option, see `workshop`
    "images": "photo.png",
    "recipe": "recipe.json",
    "reference": "warm.png",
    "histogram_of": "warm.png",
    "palette": "warm.png",
    "classes": "photo.png",
    "reference_classes": "photo.png",
    "weights": "tiny.safetensors",
    "from_list": "list.txt",
    "sign": "recipe.json",
    "content": "warm.png",
    "style": "other.png",
    "labels": "photo.png",
    "source": "film.mkv",
    "key": "warm.png",
    "models": "tiny.safetensors",
    "data": "photos",
    "protocol": "protocol.yaml",
    "pairs": "pairs.csv",
    "groups": "groups.csv",
    "votes": "votes.json",
    "root": "photos",
}
FORMS = {"key": "0={}", "models": f"{NAME}={{}},gray"}  # values that contain a path
BASES: dict[str, dict[str, Any]] = {  # smallest run of each command that writes files
    "colorize": {"images": ["photo.png"], "weights": "tiny.safetensors", "device": "cpu"},
    "stylize": {"content": "warm.png", "style": "other.png", "size": 64, "device": "cpu"},
    "video": {"source": "film.mkv", "weights": "tiny.safetensors", "device": "cpu"},
    "data prior": {"root": "photos"},
    "data shard": {"source": "split", "workers": 1},
    "evaluate": {"models": "gray,truth", "data": "photos"},
    "weights convert": {"name": NAME, "source": "tiny.ckpt"},
    "weights export": {"name": "gray"},
    "studio": {},
    "predict": {"model": NAME, "data.root": "photos"},
}
OUTPUTS = {  # value of each output option, and the values that it requires
    ("colorize", "output"): ("new.png", {}),
    ("colorize", "failed"): ("new.txt", {"output": "a", "images": ["photo.png", "broken.png"]}),
    ("colorize", "report"): ("new.html", {"output": "a.png"}),
    ("stylize", "output"): ("new.png", {}),
    ("video", "output"): ("new.mkv", {}),
    ("data prior", "output"): ("new.npy", {}),
    ("data shard", "out"): ("new", {}),
    ("evaluate", "output"): ("new", {"metrics": "psnr"}),
    ("evaluate", "cache"): ("new", {"output": "a", "metrics": "psnr"}),
    ("evaluate", "figure"): ("new.pdf", {"output": "a", "metrics": "psnr"}),
    ("evaluate", "vote"): ("new", {}),
    ("weights convert", "out"): ("new.safetensors", {}),
    ("weights export", "out"): ("new.onnx", {}),
    ("studio", "static"): ("new", {}),
    ("predict", "output"): ("new", {}),
}
ROWS: list[tuple[str, str, str, str]] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Write the table of all outcomes."""
    yield
    if path := os.environ.get("COLORZOO_FILE_TABLE"):
        lines = ["| command | option | situation | outcome |", "|---|---|---|---|"]
        with Path(path).open("a") as file:
            file.write("\n".join([*lines, *(f"| {' | '.join(row)} |" for row in sorted(set(ROWS)))]) + "\n")


def all_options() -> dict[str, dict[str, Field[Any]]]:
    """Return the fields of all options that can contain text, by command and name."""
    found: dict[str, dict[str, Field[Any]]] = {}
    for verb, module in VERBS.items():
        for name, command in importlib.import_module(module).COMMANDS.items():
            hints = get_type_hints(command.options)
            options = {}
            for field in fields(command.options):
                members = {hints[field.name], *get_args(hints[field.name])}
                if members & {str, Path, list[str], list[Path]}:
                    options[field.name] = field
            found[f"{verb} {name}".strip()] = options
    return found


OPTIONS = all_options()


def input_options(command: str) -> list[str]:
    """Return the names of the options of a command that name an input."""
    if command == "predict":
        return ["data.root"]
    excluded = NOT_FILES.get(command, "").split()
    return [
        name
        for name, field in OPTIONS[command].items()
        if name not in excluded and not field.metadata["writes"]
    ]


def test_every_option_is_an_input_an_output_or_no_file() -> None:
    for command, options in OPTIONS.items():
        for name, field in options.items():
            excluded = name in NOT_FILES.get(command, "").split()
            is_output = bool(field.metadata["writes"])
            assert excluded + is_output + (name in INPUTS and not is_output) == 1 or excluded, (command, name)
            assert is_output == ((command, name) in OUTPUTS), (command, name)
            # an output must be declared, so that the parser protects the inputs
            if re.search(r"\b(output (file|folder)|write)\b", field.metadata["help"]):
                assert is_output or excluded, (command, name)


def words_of(command: str, values: Mapping[str, Any]) -> list[str]:
    """Return the arguments of ``colorzoo`` for values by option name."""
    if command == "predict":
        options = {**values, "trainer.logger": "false", "trainer.accelerator": "cpu"}
        return ["predict", *(f"--{name}={value}" for name, value in options.items())]
    words, arguments = command.split(), []
    verb, _, sub = command.partition(" ")
    for field in fields(importlib.import_module(VERBS[verb]).COMMANDS[sub].options):
        if field.name not in values:
            continue
        value = values[field.name]
        texts = [str(each) for each in value] if isinstance(value, list) else [str(value)]
        flags = field.metadata["flags"] or (f"--{field.name.replace('_', '-')}",)
        if not flags[0].startswith("-"):
            arguments += texts
        elif value is True:
            words.append(flags[0])
        elif field.metadata["nargs"] is not None or len(texts) == 1:
            words += [flags[0], *texts]
        else:
            words += [word for text in texts for word in (flags[0], text)]
    return [*words, *(["--"] if arguments else []), *arguments]


def values_of(command: str, option: str, path: str | Path, **more: Any) -> dict[str, Any]:
    """Return the values of the smallest run of a command with an output."""
    _, required = OUTPUTS[command, option]
    return {**BASES[command], **required, **more, option: path}


def overwriting(command: str) -> dict[str, bool]:
    verb, _, sub = command.partition(" ")
    if command == "predict":
        return {}
    kind = importlib.import_module(VERBS[verb]).COMMANDS[sub].options
    return {"overwrite": True} if any(field.name == "overwrite" for field in fields(kind)) else {}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    Image.fromarray(gray_image(32, 40)).save(folder / "photo.png")
    (folder / "broken.png").write_bytes(b"broken")
    (folder / "photos").mkdir()
    for name in ("split/train", "split/val"):
        (folder / name).mkdir(parents=True)
    images = ("warm.png", "other.png", "photos/0.png", "photos/1.png", "split/train/0.png", "split/val/1.png")
    for seed, name in enumerate(images):
        rgb = (sample_image((40, 48), seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(rgb)).save(folder / name)
    (folder / "recipe.json").write_text(json.dumps({"version": 2, "strength": 0.5}))
    (folder / "list.txt").write_text("photo.png\n")
    (folder / "votes.json").write_text(json.dumps({"vote": "", "voter": "a", "votes": []}))
    (folder / "pairs.csv").write_text("target,reference\n0.png,1.png\n")
    (folder / "groups.csv").write_text("image,group\n0.png,a\n1.png,a\n")
    shutil.copy(Path("src/colorzoo/evaluation/protocols/automatic.yaml").absolute(), folder / "protocol.yaml")
    write_tiny_weights(folder / "tiny.safetensors")
    import torch

    from tiny_model import HPARAMS, tiny_task

    task = tiny_task()
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": HPARAMS}, folder / "tiny.ckpt")
    write_video(folder / "film.mkv", [scene(number) for number in range(3)])
    return folder


@pytest.fixture
def workshop(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a copy of all samples."""
    folder = tmp_path / "work"
    shutil.copytree(samples, folder)
    monkeypatch.chdir(folder)
    return folder


def outcome(code: int, line: str) -> str:
    """Return a cell of the table."""
    return f"exit code {code}" + (f": {line[:100]}" if line else "")


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command line in this process; return the exit code and the last line of standard error."""
    capsys.readouterr()
    code = main(words)
    err = capsys.readouterr().err
    assert "Traceback" not in err, err
    line = (err.strip().splitlines() or [""])[-1].removeprefix("colorzoo: error: ")
    assert "unexpected" not in line, line
    return code, line.replace(f"{Path.cwd().parent}/", "")


@pytest.mark.parametrize(("command", "option"), list(OUTPUTS))
def test_no_output_replaces_an_input(
    command: str, option: str, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suffix = Path(OUTPUTS[command, option][0]).suffix
    for name in input_options(command):
        sample = INPUTS.get(name, "photos")
        for kind in ("same path", "hard link"):
            if Path(sample).is_dir():
                given, out = sample, sample
            else:
                given = f"given{suffix}" if kind == "same path" else sample
                if kind == "same path":
                    shutil.copy(sample, given)
                out = given if kind == "same path" else f"link{suffix}"
                if kind == "hard link":
                    Path(out).hardlink_to(given)
            value = FORMS.get(name, "{}").format(given)
            values = values_of(command, option, out, **{name: value}, **overwriting(command))
            if name in ("labels", "votes", "images"):
                values[name] = [value] * (2 if name == "labels" else 1)
            if name == "style" or name == "content":
                values = values_of(command, option, out, content="warm.png", style="other.png") | {
                    name: value
                }
            before = contents(workshop)
            code, line = run(words_of(command, values), capsys)
            after = contents(workshop)
            assert before.items() <= after.items(), (
                name,
                kind,
                {k for k in before if after.get(k) != before[k]},
            )
            if not Path(sample).is_dir():
                assert code == 2, (name, kind, line)
            refused = (
                "refused as input"
                if "input" in line
                else f"refused ({line[:60]})"
                if code == 2
                else "other file"
            )
            ROWS.append((command, option, f"over the input of {name} ({kind})", refused))
            for path in (f"given{suffix}", f"link{suffix}"):
                Path(path).unlink(missing_ok=True)
            shutil.rmtree("a", ignore_errors=True)


SLOW = {("studio", "static"), ("data shard", "out")}  # several seconds each
TIERED = [pytest.param(*case, marks=[pytest.mark.nightly] if case in SLOW else []) for case in OUTPUTS]


def is_cache_entry(name: str) -> bool:
    """Return whether a file is in a cache, in which names contain hashes and damaged entries are replaced."""
    return re.search(r"automatic-[0-9a-f]{12}/.*/[0-9a-f]{32}\.json$", name) is not None


@pytest.mark.parametrize(("command", "option"), TIERED)
def test_no_output_replaces_a_file_of_others(
    command: str, option: str, workshop: Path, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first run in another folder shows which files the command writes."""
    out = Path(OUTPUTS[command, option][0])
    words = words_of(command, values_of(command, option, out))
    code, line = run(words, capsys)
    assert code in (0, 1), line
    names = [
        name for name in contents(workshop).keys() - contents(samples).keys() if not is_cache_entry(name)
    ]
    names = [name for name in names if Path(name).is_relative_to(out)]
    shutil.rmtree(workshop)
    shutil.copytree(samples, workshop)
    os.chdir(workshop)
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"mine")
    before = contents(workshop)
    code, line = run(words, capsys)
    after = contents(workshop)
    changed = sorted(name for name in before if after.get(name) != before[name])
    ROWS.append((command, option, "over a file of others", outcome(code, line)))
    assert (changed, bool(code)) == ([], bool(names)), line


@pytest.mark.parametrize(("command", "option"), TIERED)
def test_full_disk_is_reported_in_one_line_and_leaves_no_partial_file(
    command: str,
    option: str,
    workshop: Path,
    capsys: pytest.CaptureFixture[str],
    mount: Callable[[str], Path],
) -> None:
    out = mount(FULL) / OUTPUTS[command, option][0]
    (out.parent / "others.bin").write_bytes(b"x" * 4096)  # the disk has no further page
    code, line = run(words_of(command, values_of(command, option, out)), capsys)
    left = [str(path.relative_to(out.parent)) for path in out.parent.rglob("*") if path.is_file()]
    ROWS.append((command, option, "full disk", outcome(code, line)))
    assert left == ["others.bin"]
    assert code in (1, 2)
    assert "No space left on device" in line or "failed" in line, line
    # the same command works when the disk has space, and does not find files of the first run
    mount("size=64m")
    if (command, option) not in SLOW:
        code, line = run(words_of(command, values_of(command, option, out, **overwriting(command))), capsys)
        assert code in (0, 1), line
        assert out.exists()


@pytest.mark.parametrize(("command", "option"), TIERED)
def test_read_only_folder_is_reported_in_one_line(
    command: str,
    option: str,
    workshop: Path,
    capsys: pytest.CaptureFixture[str],
    mount: Callable[[str], Path],
) -> None:
    out = mount(SMALL) / OUTPUTS[command, option][0]
    mount("ro")
    code, line = run(words_of(command, values_of(command, option, out)), capsys)
    ROWS.append((command, option, "read-only folder", outcome(code, line)))
    assert code in (1, 2)
    assert re.search("Read-only|not writable|not a writable|failed", line), line


def start(words: list[str], *more: str) -> subprocess.Popen[str]:
    """Start a command in another process with one thread; ``more`` precedes the call of the command."""
    code = [
        "import sys, os",
        *more,
        "from colorzoo.apps.cli.main import main",
        "sys.exit(main(sys.argv[1:]))",
    ]
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(code), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.nightly
@pytest.mark.parametrize(("command", "option"), list(OUTPUTS))
def test_two_processes_write_whole_files(
    command: str, option: str, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each output equals the output of one process, and no temporary file is left."""
    out = Path(OUTPUTS[command, option][0])
    words = words_of(command, values_of(command, option, out))
    processes = [start(words) for _ in range(2)]
    errors = [process.communicate(timeout=1200)[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    ROWS.append((command, option, "two processes", f"exit codes {codes[0]} and {codes[1]}"))
    assert not any("Traceback" in error for error in errors), errors
    assert codes[0] in (0, 1), errors
    assert not list(workshop.rglob("*.part"))
    both = {name: data for name, data in contents(workshop).items() if Path(name).is_relative_to(out)}
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    for path in workshop.glob(f"{out}.*"):
        path.unlink()
    assert run(words, capsys)[0] in (0, 1)
    alone = {name: data for name, data in contents(workshop).items() if Path(name).is_relative_to(out)}
    assert both.keys() == alone.keys()
    # files with dates, commands and random numbers
    changing = (
        "manifest.json",
        "report.html",
        "results.json",
        "key.json",
        "index.html",
        "index.json",
        ".mkv",
        ".onnx.gz",
        "page.json",
    )
    assert all(0.9 < len(both[name]) / len(alone[name]) < 1.1 for name in alone)
    names = [name for name in alone if not name.endswith(changing) and not is_cache_entry(name)]
    assert [name for name in names if both[name] != alone[name]] == []
    for name in both:  # a static page lists the hashes of its files
        if name.endswith("page.json"):
            listed = json.loads(both[name])["files"]
            assert all(hashlib.sha256(both[str(out / each)]).hexdigest() == digest for each, digest in listed)


@pytest.mark.nightly
@pytest.mark.parametrize("event", ["open", "os.rename"])
@pytest.mark.parametrize(("command", "option"), list(OUTPUTS))
def test_killed_process_leaves_no_partial_file(
    command: str, option: str, event: str, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process is killed just before it opens or names its first file in the output folder."""
    folder = workshop / "out"
    folder.mkdir()
    out = folder / OUTPUTS[command, option][0]
    events = ("open",) if event == "open" else ("os.rename", "os.link")
    hook = (
        f"def watch(event, args, folder={str(folder)!r}, events={events!r}):",
        "    if event in events and isinstance(args[0], (str, os.PathLike)):",
        "        writes = event != 'open' or (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)",
        "        if writes and os.path.abspath(args[0]).startswith(folder):",
        "            os.kill(os.getpid(), 9)",
        "sys.addaudithook(watch)",
    )
    words = words_of(command, values_of(command, option, out))
    process = start(words, *hook)
    _, err = process.communicate(timeout=600)
    unnamed = (".part", "lock")  # temporary files, and the empty file that a running film locks
    left = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(unnamed)]
    ROWS.append((command, option, f"killed at {event}", f"exit code {process.returncode}, {len(left)} files"))
    assert process.returncode == -signal.SIGKILL, err
    assert all(path.stat().st_size for path in left)
    code, line = run(words, capsys)
    if (command, option) == ("data shard", "out"):  # a folder of shards is never completed
        assert (code, "must be empty" in line) == (2, True)
        return
    assert code in (0, 1), line
    assert out.exists()
