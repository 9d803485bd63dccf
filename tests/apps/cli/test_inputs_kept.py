"""No option of a command replaces a file that the command reads, or that a person made."""

from __future__ import annotations

import importlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli._colorize import read_files as read_by_colorize
from colorzoo.apps.cli._colorize import written_files as written_by_colorize
from colorzoo.apps.cli._options import named_inputs
from colorzoo.apps.cli.colorize import COMMANDS as COLORIZE
from colorzoo.apps.cli.main import VERBS, find_command, main
from colorzoo.apps.video.film_recipe import FilmRecipe
from colorzoo.apps.video.memory import ColorMemory
from colorzoo.apps.video.run import read_files as read_by_video
from colorzoo.apps.video.run import written_files as written_by_video
from colorzoo.batch import FileColorizer
from colorzoo.errors import ColorzooError
from colorzoo.files import check_outputs
from colorzoo.image_io import read_image, read_provenance
from colorzoo.inference import read_recipe
from colorzoo.pixels.results import sidecar_path
from tiny_model import NAME, Refused, Run, gray_image
from tiny_video import scene, write_video

FRAMES = [f"f/{number:04d}.png" for number in range(4)]


def write_color(path: Path, seed: int = 0, size: tuple[int, int] = (48, 64)) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    levels = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    Image.fromarray(levels).resize(size[::-1]).save(path)


def write_gray(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(gray_image(40 + seed, 48)).save(path)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def gray_run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``colorzoo colorize --model gray``, which accepts seeds."""

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["colorize", "--model", "gray", *words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def files(here: Path) -> Path:
    """Folder with a file for each option, and the files that these files name."""
    write_gray(Path("album/a.png"))
    for number, name in enumerate(("style.png", "warm.png", "labels.png", "key.png", "ref.png", "deep.png")):
        write_color(Path(name), number)
    for number, name in enumerate(FRAMES):
        Path("f").mkdir(exist_ok=True)
        Image.fromarray(scene(number)).save(name)
    write_video(Path("in.mp4"), [scene(number) for number in range(3)])
    Path("hints.json").write_text(json.dumps({"exemplar": {"path": "deep.png"}}))
    Path("frame.recipe.json").write_text(json.dumps({"exemplar": {"path": "deep.png"}}))
    keys = [{"frame": 0, "image": "key.png"}, {"frame": 1, "recipe": "frame.recipe.json"}]
    Path("film.json").write_text(json.dumps({"keys": keys, "references": ["ref.png"]}))
    Path("list.txt").write_text("album/a.png\n")
    Path("w.safetensors").write_bytes(b"weights")
    Path("pairs.csv").write_text("target,reference\n")
    return here


# command line without its outputs, the outputs of the options, and files that must be in the list of inputs
CASES: dict[str, tuple[str, str, str]] = {
    "colorize": (
        "album --recipe hints.json --classes labels.png --palette warm.png --sign key.pem --from list.txt "
        "--weights w.safetensors --samples 2 --sheet",
        "-o out --failed failed.txt --report report.html --report report.csv",
        "album/a.png hints.json deep.png labels.png warm.png key.pem list.txt w.safetensors",
    ),
    "stylize": (
        "album/a.png style.png --labels labels.png warm.png --weights w.safetensors",
        "-o styled.png",
        "album/a.png style.png labels.png warm.png w.safetensors",
    ),
    "video": (
        "f out --recipe film.json --key 3=warm.png --reference style.png --weights w.safetensors",
        "--match-sheet sheet.png",
        "f/0003.png film.json key.png frame.recipe.json deep.png ref.png warm.png style.png w.safetensors",
    ),
    "evaluate": (
        "--models gray,b=w.safetensors --data album --pairs pairs.csv",
        "-o report",
        "w.safetensors pairs.csv",
    ),
    "evaluate --vote": ("--models gray,b=w.safetensors --data album", "--vote vote", "w.safetensors"),
    "data prior": ("album", "-o prior.npy", ""),
    "data shard": ("album", "shards", ""),
    "weights convert": (f"{NAME} w.safetensors", "out.safetensors", "w.safetensors"),
    "weights export": (f"{NAME} --weights w.safetensors", "out.onnx", "w.safetensors"),
}
WITHOUT_FILES = {  # commands that write no file that an option names
    *("data verify", "models", "info", "doctor", "weights list", "weights fetch", "weights verify", "serve"),
    *("new-paper", "studio"),
}


def lists_of(command: str, words: str, outputs: str) -> tuple[set[str], set[str]]:
    """Return everything that a command reads and writes, from its two functions."""
    verb = command.split()[0]
    module = importlib.import_module(VERBS[verb])
    start = command.split() if "--" not in command else [verb]
    program, found, rest = find_command(module, [*start, *shlex.split(f"{words} {outputs}")])
    options: Any = found.parse(program, rest)
    reads, writes = [*found.reads(options)], [*found.writes(options)]
    if command == "colorize":
        colorizer = FileColorizer(model=NAME, guidance=read_recipe(Path("hints.json")), folder=Path())
        reads += read_by_colorize(options, colorizer, [Path("album/a.png")])
        results = [Path("out/a.png"), Path("out/a-2.png"), Path("out/a-sheet.jpg")]
        writes += written_by_colorize(options, results)
    if command == "video":
        edits = FilmRecipe.read(Path(options.recipe), {3: Path("warm.png")}, [Path("style.png")])
        reads += read_by_video(Path(options.source), edits, Path(options.recipe), options.weights)
        writes += written_by_video(Path(options.source), Path(options.output), Path(options.match_sheet))
    existing = {str(path) for path in reads if Path(path).is_file()}
    return existing, set(map(str, writes))


def test_every_command_is_in_the_table() -> None:
    names = set()
    for verb, path in VERBS.items():
        names |= {f"{verb} {each}".strip() for each in importlib.import_module(path).COMMANDS}
    assert names == {*CASES, *WITHOUT_FILES} - {"evaluate --vote"}


@pytest.mark.parametrize("command", CASES)
def test_each_command_lists_everything_that_it_reads_and_writes(files: Path, command: str) -> None:
    Path("key.pem").write_text("key")
    words, outputs, expected = CASES[command]
    reads, writes = lists_of(command, words, outputs)
    assert set(expected.split()) <= reads
    derived = {
        "colorize": "out/a.png out/a-2.png out/a-sheet.jpg out/a.png.colorzoo.xmp failed.txt report.html",
        "video": "out/0000.png out/0003.png out.colorzoo.xmp sheet.png",
        "evaluate": "report/results.json report/report.html",
        "evaluate --vote": "vote/key.json vote/page/index.html",
    }
    named = {"data shard": ""}.get(command, outputs.split()[-1])
    assert set(derived.get(command, named).split()) <= writes
    assert not reads & writes
    # each output that is a hard link to, or another spelling of, an input
    for output in writes:
        for source in reads:
            out = Path(output)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.unlink(missing_ok=True)
            out.hardlink_to(source)
            with pytest.raises(ColorzooError, match="also an input"):
                check_outputs(map(Path, sorted(writes)), sorted(reads))
            out.unlink()


LINKS: dict[str, Callable[[Path, Path], None]] = {
    "hard link": lambda out, source: out.hardlink_to(source),
    "symbolic link": lambda out, source: out.symlink_to(source.absolute()),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(
    ("words", "out", "source"),
    [
        ("stylize album/a.png style.png --labels labels.png warm.png -o {}", "o.png", "labels.png"),
        ("colorize album/a.png --reference warm.png -o {}", "o.png", "warm.png"),
        ("colorize album/a.png --recipe hints.json -o {}", "o.png", "deep.png"),
        ("colorize album/a.png --recipe hints.json --failed {}", "o.txt", "hints.json"),
        ("colorize album/a.png --from list.txt -o o.bmp", "o.bmp.colorzoo.xmp", "list.txt"),
        ("colorize album/a.png --model gray --samples 2 --sheet -o o.png", "o-sheet.jpg", "album/a.png"),
        ("colorize album/a.png --report {}", "o.html", "album/a.png"),
        ("video in.mp4 o.mp4 --recipe film.json --match-sheet {}", "o.png", "deep.png"),
        ("video in.mp4 o.mp4 --reference style.png", "o.mp4.colorzoo.xmp", "style.png"),
        ("video in.mp4 {} --recipe film.json", "o.mp4", "key.png"),
        ("video in.mp4 {} --frame 0 --recipe film.json", "o.png", "key.png"),
        ("video in.mp4 o.png --frame 0 --recipe film.json", "o.recipe.json", "film.json"),
        ("video f out --recipe film.json", "out/0002.png", "ref.png"),
        ("video f {} --frame 1", "o.png", "f/0003.png"),
        ("evaluate --models gray --data album --pairs pairs.csv -o o", "o/per_image.csv", "pairs.csv"),
        (f"weights convert {NAME} w.safetensors {{}}", "o.safetensors", "w.safetensors"),
        (f"weights export {NAME} {{}} --weights w.safetensors", "o.onnx", "w.safetensors"),
    ],
)
def test_no_link_to_an_input_is_replaced(
    files: Path, refused: Refused, words: str, out: str, source: str, link: str
) -> None:
    Path(out).parent.mkdir(exist_ok=True)
    LINKS[link](Path(out), Path(source))
    before = contents(files)
    more = [] if words.startswith("evaluate") else ["--overwrite"]
    message = refused(*shlex.split(words.format(out)), *more)
    assert "also an input" in message or (out.endswith(".html") and "not a report" in message)
    assert contents(files) == before


def test_a_film_replaces_none_of_its_inputs(files: Path, refused: Refused) -> None:
    before = contents(files)
    film = ["video", "f"]
    for words in (
        ["key.png", "--frame", "0", "--recipe", "film.json"],
        ["frame.png", "--frame", "2", "--key", "0=frame.recipe.json"],
        ["ref.png", "--frame", "0", "--recipe", "film.json"],
        ["f/0003.png", "--frame", "3"],
        ["out", "--match-sheet", "f/0003.png"],
        ["out", "--match-sheet", "deep.png", "--recipe", "film.json"],
        ["out", "--match-sheet", "out/0001.png"],
    ):
        refused(*film, *words, "--overwrite")
        assert contents(files) == before, words
    for words in (["f/x.png", "--frame", "3"], ["out", "--match-sheet", "f/x.png"]):  # would be a frame
        assert "inside the input folder" in refused(*film, *words)
    assert contents(files) == before
    write_color(Path("out/0003.png"))  # an edited key image inside OUT
    assert "also an input" in refused(*film, "out", "--key", "3=out/0003.png", "--overwrite")


def test_frames_that_were_edited_stay_with_a_note(
    files: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["video", "f", "out", "--weights", str(weights), "--device", "cpu", "--size", "16"]
    assert main(words) == 0
    write_color(Path("out/0001.png"), 9)
    edited, other = Path("out/0001.png").read_bytes(), Path("out/0002.png").read_bytes()
    for strength in (".2", ".4"):  # the record of the second run must also recognize the edited frame
        capsys.readouterr()
        assert main([*words, "--strength", strength, "--overwrite"]) == 0
        assert "0001.png" in capsys.readouterr().out
        assert Path("out/0001.png").read_bytes() == edited
        assert Path("out/0002.png").read_bytes() != other
        other = Path("out/0002.png").read_bytes()


def test_a_match_sheet_is_also_written_for_an_existing_film(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [scene(0), scene(1), scene(0, seed=7), scene(1, seed=7), scene(0), scene(1)]
    write_video(Path("in.mp4"), scenes)
    hints = {"width": 64, "height": 48, "points": [{"x": 20, "y": 20, "color": "#c03020"}]}
    Path("film.json").write_text(json.dumps({"keys": [{"frame": 0, "recipe": hints}]}))
    # no object is recognized in these tiny frames
    monkeypatch.setattr(ColorMemory, "matches", lambda *args: dict.fromkeys(args[-1], (True, True)))
    words = ["video", "in.mp4", "o.mp4", "--recipe", "film.json", "--size", "48", "--device", "cpu"]
    assert main([*words, "--match-sheet", "first.png"]) == 0
    capsys.readouterr()
    assert main([*words, "--match-sheet", "second.png"]) == 0
    out = capsys.readouterr().out
    assert ("already exists with the same" in out, "second.png" in out) == (True, True)
    assert np.array_equal(read_image(Path("first.png")).levels, read_image(Path("second.png")).levels)
    assert main([*words, "--match-sheet", "second.png"]) == 2  # an existing sheet is not replaced


def test_a_contact_sheet_replaces_only_an_earlier_sheet(gray_run: Run, here: Path) -> None:
    write_gray(Path("album/a.png"))
    write_gray(Path("album/a-sheet.jpg"), 3)
    before = contents(here)
    words = ["--samples", "2", "--sheet"]
    code, _, err = gray_run("album/a-sheet.jpg", "-o", "album/a.png", *words)
    assert (code, "a-sheet.jpg already exists" in err) == (1, True)
    code, _, err = gray_run("album/a-sheet.jpg", "-o", "album/a.png", *words, "--overwrite")
    assert (code, "also an input" in err) == (2, True)
    assert before.items() <= contents(here).items()
    # in a folder, the sheet of `a` and the result of `a-sheet` have different names
    for more in ([], [], ["--overwrite"], ["--dry-run"]):
        assert gray_run("album", "-o", "out", *words, *more)[0] == 0, more
        sources = {
            name: record.name
            for name in contents(Path("out"))
            if (record := read_provenance(Path("out", name))) is not None
        }
        assert sources["a-sheet.jpg"] == "a-sheet.jpg"
        assert sources["a-sheet-3.jpg"] == "a.png"
        assert len(sources) == 2 * 3


def test_samples_never_take_the_names_of_other_images(gray_run: Run, here: Path) -> None:
    write_gray(Path("album/a.png"))
    write_gray(Path("album/a-2.png"), 3)
    for more in ([], ["--overwrite"], ["--provenance", "none", "--overwrite"]):
        code, _, _ = gray_run("album", "-o", f"out{len(more)}", "--samples", "2", *more)
        assert (code, len(contents(Path(f"out{len(more)}")))) == (0, 4)


@pytest.mark.parametrize("provenance", ["embed", "none"])
def test_foreign_sidecar_files_are_replaced_only_with_overwrite(
    run: Run, here: Path, provenance: str, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_gray(Path("a.png"))
    sidecar = sidecar_path(Path("o.bmp"))
    sidecar.write_text("mine")
    code, _, err = run("a.png", "-o", "o.bmp", "--provenance", provenance)
    if provenance == "none":  # a file of others is not deleted
        assert (code, sidecar.read_text()) == (0, "mine")
        return
    assert (code, "o.bmp.colorzoo.xmp already exists" in err) == (2, True)
    assert (sidecar.read_text(), Path("o.bmp").exists()) == ("mine", False)
    assert run("a.png", "-o", "o.bmp", "--overwrite")[0] == 0
    assert read_provenance(Path("o.bmp")) is not None
    # a film
    write_video(Path("in.mp4"), [scene(0), scene(1)])
    sidecar_path(Path("o.mkv")).write_text("mine")
    words = ["video", "in.mp4", "o.mkv", "--weights", str(weights), "--device", "cpu", "--size", "16"]
    assert main(words) == 2
    assert "o.mkv.colorzoo.xmp already exists" in capsys.readouterr().err
    assert (sidecar_path(Path("o.mkv")).read_text(), Path("o.mkv").exists()) == ("mine", False)
    assert main([*words, "--overwrite"]) == 0
    assert read_provenance(Path("o.mkv")) is not None


def test_no_output_is_written_through_or_instead_of_a_link(files: Path, refused: Refused) -> None:
    write_color(Path("other.png"), 20)
    for name in ("o.png", "o.txt", "o.html", "o.mp4", "o.recipe.json", "o.npy", "o.safetensors", "o.onnx"):
        Path(name).symlink_to("other.png")
    before = contents(files)
    for words in (
        "colorize album/a.png -o o.png",
        "colorize album/a.png --failed o.txt",
        "stylize warm.png style.png -o o.png",
        "video in.mp4 o.mp4",
        "video in.mp4 o.png --frame 0",
        "video in.mp4 p.mp4 --match-sheet o.png",
        "data prior album -o o.npy",
        f"weights convert {NAME} w.safetensors o.safetensors",
        f"weights export {NAME} o.onnx",
    ):
        assert "symbolic link" in refused(*words.split(), "--overwrite"), words
    assert contents(files) == before
    assert Path("o.png").is_symlink()


def test_results_of_names_that_differ_in_case_are_found_again(gray_run: Run, here: Path) -> None:
    """As on file systems that ignore case, ``X.png`` and ``x.png`` are one name."""
    write_gray(Path("album/X.jpg"))
    write_gray(Path("album/x.png"), 3)
    assert gray_run("album", "-o", "out", "--format", "png")[0] == 0
    before = contents(Path("out"))
    assert set(before) == {"X.png", "x-2.png"}
    for listed in (["album/x.png"], ["album/X.jpg"], ["album/x.png", "album/X.jpg"]):
        Path("list.txt").write_text("\n".join(listed))
        for more in ([], ["--format", "png"]):
            assert gray_run("--from", "list.txt", "-o", "out", *more)[0] == 0
            assert contents(Path("out")) == before
    # in the other order, the first result keeps its name
    for names in (["album/x.png"], ["album/X.jpg"], ["album"]):
        assert gray_run(*names, "-o", "two", "--format", "png")[0] == 0
    assert set(contents(Path("two"))) == {"x.png", "X-2.png"}


def test_published_files_of_a_folder_are_inputs(here: Path, refused: Refused) -> None:
    for name in ("encoder.safetensors", "decoder.safetensors"):
        Path("published").mkdir(exist_ok=True)
        Path("published", name).write_bytes(b"weights")
    words = ["weights", "convert", NAME, "published", "published/decoder.safetensors", "--overwrite"]
    assert "also an input" in refused(*words)
    assert Path("published/decoder.safetensors").read_bytes() == b"weights"


def test_a_vote_and_a_template_replace_no_file(here: Path, refused: Refused) -> None:
    write_color(Path("data/a.png"))
    image = Path("vote/page/images/0001-left.png")
    write_color(image)
    before = image.read_bytes()
    assert "already exists" in refused(
        "evaluate", "--models", "gray,truth", "--data", "data", "--vote", "vote"
    )
    assert image.read_bytes() == before
    Path("smith2030").mkdir()
    Path("smith2030/pyproject.toml").symlink_to("missing.toml")
    assert "symbolic link" in refused("new-paper", "smith2030")


def test_outputs_are_compared_with_each_other_without_case(here: Path) -> None:
    with pytest.raises(ColorzooError, match="another output"):
        check_outputs([Path("a.png"), Path("A.png")])
    with pytest.raises(ColorzooError, match="another output"):
        check_outputs([Path("a.png"), Path("b/a.png"), Path("a.png")])
    check_outputs([Path("a.png"), Path("b/a.png")])


def test_texts_that_are_no_paths_are_not_inputs(files: Path) -> None:
    options = COLORIZE[""].parse("colorize", ["album/a.png", "--box", "none", "--point", "1,2=#c03020"])
    check_outputs([Path("o.png")], [*named_inputs(options), "\0", "x" * 5000])
