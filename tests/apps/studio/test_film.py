"""Films in the drawing pad: frames, edits in the film recipe, and colorization in the background."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pads import DirectPad, pixels, web_client
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.film import Film
from colorzoo.apps.studio.models import ModelPool
from colorzoo.apps.studio.protocol import StudioError
from colorzoo.apps.studio.studio import Studio
from colorzoo.apps.video.film_recipe import FilmRecipe
from colorzoo.apps.video.parts import parts_path
from colorzoo.apps.video.run import colorize_video, write_frame
from colorzoo.errors import ColorzooError
from colorzoo.files import sha256_of
from tiny_video import lightness_planes, scene, write_video

SCENES = [scene(n, seed) for seed in (0, 7, 9) for n in range(12)]
POINTS = [{"x": 20, "y": 20, "color": "#c04020"}]
OPTIONS: dict[str, Any] = {"device": "cpu", "size": 64}


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return Studio(device="cpu").pool


@pytest.fixture
def film_path(tmp_path: Path) -> Path:
    return write_video(tmp_path / "old.mp4", SCENES)


OpenFilm = Callable[[Path], DirectPad]


@pytest.fixture
def open_film(pool: ModelPool) -> Iterator[OpenFilm]:
    """Return a function that opens a film in a new studio, as ``colorzoo studio`` does."""
    studios = list[Studio]()

    def opened(path: Path) -> DirectPad:
        studio = Studio(device="cpu")
        studio.pool = pool
        studio.film = Film(path, **OPTIONS)
        studios.append(studio)
        return DirectPad(studio)

    yield opened
    for studio in studios:
        studio.close()


def film_of(pad: DirectPad) -> Film:
    assert pad.studio.film is not None
    return pad.studio.film


def edit(pad: DirectPad, frame: int, **hints: Any) -> dict[str, Any]:
    """Open a frame and store hints for it, as the drawing pad does; return its recipe."""
    opened = pad.call("frame", frame=frame)
    assert opened.type == "frame", opened.body
    recipe: dict[str, Any] = opened.body["recipe"] | hints
    reply = pad.call("save_frame", frame=frame, recipe=recipe)
    assert reply.type == "saved", reply.body
    return recipe


def wait_for(pad: DirectPad, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait for a message about the film."""
    while not is_reached(body := pad.next().body | film_of(pad).describe()):
        pass
    return body


def apply(pad: DirectPad, **fields: Any) -> dict[str, Any]:
    """Colorize the film; return the final state of the run."""
    reply = pad.call("apply", **fields)
    assert reply.type == "applied", reply.body
    job: dict[str, Any] = wait_for(pad, lambda film: film["job"]["state"] != "running")["job"]
    return job


def key_frames(film: Path) -> Any:
    return FilmRecipe.from_json(film.with_name("old.film.json")).keys


def keys_of(film: Path) -> list[Any]:
    keys: list[Any] = json.loads(film.with_name("old.film.json").read_text(encoding="utf-8"))["keys"]
    return keys


@pytest.mark.parametrize("way", ["recipe", "matches", "image"])
def test_frame_opens_in_the_colors_that_the_command_line_exports(
    film_path: Path, tmp_path: Path, open_film: OpenFilm, way: str
) -> None:
    """Other shots can influence a frame by applied matches and by key images."""
    Image.fromarray(np.stack([SCENES[2], SCENES[2] // 2, SCENES[2]], 2)).save(tmp_path / "first.png")
    edits: dict[str, Any] = {"apply_matches": way == "matches"}
    edits["keys"] = [{"frame": 2, "image": "first.png"}] if way == "image" else []
    (tmp_path / "old.film.json").write_text(json.dumps(edits))
    pad = open_film(film_path)
    edit(pad, 14, points=POINTS)
    for number in (3, 15, 30):
        reply = pad.call("frame", frame=number)
        write_frame(
            film_path, tmp_path / f"{number}.png", number, recipe=tmp_path / "old.film.json", **OPTIONS
        )
        with Image.open(tmp_path / f"{number}.png") as exported:
            np.testing.assert_array_equal(pixels(reply.buffers[1]), np.asarray(exported))
        assert pixels(reply.buffers[0]).shape == (48, 64)
    # an edited frame keeps the reference from which its edits started
    opened = pad.call("frame", frame=14)
    name = opened.body["reference"]
    assert (tmp_path / "old.film.references" / name).read_bytes() == opened.buffers[1]
    assert opened.body["recipe"]["points"][0]["color"] == POINTS[0]["color"]


def test_edits_are_stored_in_the_film_recipe_and_removed_by_undo(
    film_path: Path, open_film: OpenFilm
) -> None:
    pad = open_film(film_path)
    assert pad.hello["film"]["edited"] == []
    recipe = edit(pad, 14, points=POINTS)
    edit(pad, 3, paint=[{"path": [[5, 5], [20, 9]], "color": "#40a020"}])
    assert [key["frame"] for key in keys_of(film_path)] == [3, 14]
    film_of(pad).close()
    again = open_film(film_path)  # after a restart
    assert again.hello["film"]["edited"] == [3, 14]
    assert again.call("frame", frame=14).body["recipe"]["points"][0]["color"] == POINTS[0]["color"]
    recipe["points"] = []
    assert again.call("save_frame", frame=14, recipe=recipe).body["edited"] == [3]


def test_own_reference_of_a_frame_is_sent_once(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    data = (film_path.parent / "sunset.png", np.full((8, 8, 3), (200, 90, 30), np.uint8))
    Image.fromarray(data[1]).save(data[0])
    content = data[0].read_bytes()
    digest = pad.call("attach", content, name="sunset.png", model="colorzoo2026").body["sha256"]
    recipe = {"points": POINTS, "exemplar": {"path": "sunset.png", "sha256": digest}}
    assert pad.call("save_frame", frame=2, recipe=recipe).body["code"] == "no_reference"
    assert pad.call("save_frame", content, frame=2, recipe=recipe).type == "saved"
    assert pad.call("save_frame", frame=2, recipe=recipe).type == "saved"
    reply = pad.call("frame", frame=2)
    assert reply.buffers[1] == content
    assert reply.body["recipe"]["exemplar"]["sha256"] == digest


def write_reference(path: Path, *color: int) -> str:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), color, np.uint8)).save(path)
    return sha256_of(path)


def test_references_with_equal_names_are_kept(
    film_path: Path, open_film: OpenFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported frames of several folders, and several references of one frame."""
    monkeypatch.chdir(film_path.parent)
    first, second = (write_reference(Path(name, "frame.png"), 200, 90, int(name[1])) for name in ("a0", "b9"))
    one = {"points": POINTS, "exemplar": {"path": "frame.png"}}
    for folder in ("a0", "b9"):
        Path(folder, "frame.recipe.json").write_text(json.dumps({"version": 2, **one}))
    two = {
        "points": POINTS,
        "exemplar": {"path": "a0/frame.png", "more": [{"path": "b9/frame.png", "weight": 3}]},
    }
    keys = [
        {"frame": number, "recipe": f"{folder}/frame.recipe.json"}
        for number, folder in ((2, "a0"), (14, "b9"))
    ]
    Path("old.film.json").write_text(
        json.dumps({"keys": [*keys, {"frame": 30, "recipe": {"version": 2, **two}}]})
    )
    pad = open_film(film_path)
    for number in (14, 2, 30):
        edit(pad, number, points=[*POINTS, {"x": 40, "y": 30, "color": "#2040c0"}])
    found = [
        [sha256_of(Path(file.path)) for file in key.recipe.exemplar.files] for key in key_frames(film_path)
    ]
    assert found == [[first], [second], [first, second]]
    assert [file.weight for file in key_frames(film_path)[2].recipe.exemplar.files] == [None, 3]


def test_paths_of_the_pad_are_not_stored(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    other = film_path.with_name("secret.png")
    digest = write_reference(other, 200, 90, 30)
    exemplar = {"path": "own.png", "sha256": digest, "more": [{"path": str(other)}]}
    recipe = {"points": POINTS, "exemplar": exemplar, "classes": {"file": str(other)}}
    assert pad.call("save_frame", other.read_bytes(), frame=2, recipe=recipe).type == "saved"
    assert other.name not in film_path.with_name("old.film.json").read_text()


def test_own_reference_named_like_a_frame_is_an_edit(film_path: Path, open_film: OpenFilm) -> None:
    digest = write_reference(film_path.with_name("frame-2-final.png"), 200, 90, 30)
    content = film_path.with_name("frame-2-final.png").read_bytes()
    pad = open_film(film_path)
    recipe = {"exemplar": {"path": "frame-2-final.png", "sha256": digest}}
    assert pad.call("save_frame", content, frame=2, recipe=recipe).body["edited"] == [2]


def test_label_images_are_relative_to_the_recipe_of_a_frame(
    film_path: Path, open_film: OpenFilm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = {"version": 2, "points": POINTS, "classes": {"file": "a.png", "reference_file": "b.png"}}
    for folder in ("frames", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "frames" / "two.recipe.json").write_text(json.dumps(labels))
    keys = [{"frame": 2, "recipe": "frames/two.recipe.json"}, {"frame": 30, "recipe": labels}]
    (tmp_path / "old.film.json").write_text(json.dumps({"keys": keys}))
    monkeypatch.chdir(tmp_path / "elsewhere")
    files = [path for path in FilmRecipe.from_json(tmp_path / "old.film.json").files if path.suffix == ".png"]
    assert files == [tmp_path / name for name in ("frames/a.png", "frames/b.png", "a.png", "b.png")]
    for file in files:
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(file)
    edit(open_film(film_path), 2, points=[*POINTS, {"x": 40, "y": 30, "color": "#2040c0"}])
    kept = {"file": "frames/a.png", "reference_file": "frames/b.png"}
    assert [key["recipe"]["classes"] for key in keys_of(film_path)] == [kept, labels["classes"]]


def test_apply_gives_the_result_of_the_command_line(
    film_path: Path, tmp_path: Path, open_film: OpenFilm
) -> None:
    original = film_path.read_bytes()
    pad = open_film(film_path)
    edit(pad, 14, points=POINTS)
    assert apply(pad)["text"].startswith("36 frames in 3 shots")
    out, expected = tmp_path / "old.color.mp4", tmp_path / "expected.mp4"
    colorize_video(film_path, expected, recipe=tmp_path / "old.film.json", **OPTIONS)
    assert out.read_bytes() == expected.read_bytes()
    # only the shot of the next edit is computed again
    edit(pad, 30, points=POINTS)
    assert film_of(pad).describe()["current"] is False
    assert "24 from an earlier run" in apply(pad)["text"]
    assert film_of(pad).describe()["current"] is True
    assert film_path.read_bytes() == original
    film_of(pad).close()
    again = open_film(film_path)
    assert wait_for(again, lambda film: film["indexed"])["current"]  # found after a restart, too


def test_first_edit_after_a_run_changes_one_shot(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    assert apply(pad)["text"].startswith("36 frames in 3 shots")
    edit(pad, 14, points=POINTS)
    assert "24 from an earlier run" in apply(pad)["text"]


def test_edits_are_requested_before_the_server_stops(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    edit(pad, 14, points=POINTS)
    stopping = threading.Thread(target=film_of(pad).request_edits)
    stopping.start()
    wait_for(pad, lambda film: film.get("stopping", False))
    edit(pad, 2, points=POINTS)  # the server still handles the edit
    assert stopping.is_alive()
    assert pad.call("stored").type == "stored"
    stopping.join()
    assert [key["frame"] for key in keys_of(film_path)] == [2, 14]


def test_canceled_run_keeps_finished_shots(
    film_path: Path, open_film: OpenFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorzoo.apps.studio.film._PROGRESS_EVERY", 0.0)
    pad = open_film(film_path)
    edit(pad, 14, points=POINTS)
    assert pad.call("apply").type == "applied"
    assert pad.call("apply").body["code"] == "busy"
    wait_for(
        pad, lambda film: film["job"].get("step") == "colorizing frames" and film["job"].get("done", 0) > 24
    )
    pad.send("stop")
    job = wait_for(pad, lambda film: film["job"]["state"] != "running")["job"]
    assert job == {"state": "idle", "text": "Canceled. Finished shots are kept for the next run."}
    assert not film_of(pad).out.exists()
    assert "24 from an earlier run" in apply(pad)["text"]


@pytest.mark.nightly
def test_killed_server_loses_no_finished_shot_and_no_edit(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    edit(pad, 14, points=POINTS)
    film_of(pad).close()
    store = film_path.with_name("old.film.json").read_bytes()
    script = f"""
import time
from pathlib import Path
from pads import DirectPad
from colorzoo.apps.studio.film import Film
from colorzoo.apps.studio.studio import Studio
studio = Studio(device="cpu")
studio.film = Film(Path({str(film_path)!r}), **{OPTIONS!r})
DirectPad(studio).call("apply")
time.sleep(300)
"""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": paths}) as server:
        parts = parts_path(film_of(pad).out)
        end = time.monotonic() + 300
        while not list(parts.glob("shot-*.json")) and time.monotonic() < end:
            time.sleep(0.01)
        assert parts.exists()
        with pytest.raises(ColorzooError, match="another `colorzoo studio`"):
            Film(film_path)
        server.send_signal(signal.SIGKILL)
    assert film_path.with_name("old.film.json").read_bytes() == store
    assert "from an earlier run" in apply(open_film(film_path), replace=True)["text"]


@pytest.mark.parametrize("name", ["old.color.mp4", "old.color.mp4.colorzoo.xmp"])
def test_result_of_another_run_is_replaced_only_after_a_question(
    film_path: Path, open_film: OpenFilm, name: str
) -> None:
    existing = film_path.with_name(name)
    existing.write_bytes(b"of another program")
    pad = open_film(film_path)
    reply = pad.call("apply")
    assert (reply.body["code"], existing.read_bytes()) == ("exists", b"of another program")
    assert name in reply.body["message"]
    assert apply(pad, replace=True)["state"] == "done"
    assert len(lightness_planes(film_path.with_name("old.color.mp4"))) == len(SCENES)


def test_folders_with_dots_have_their_own_film_recipes(tmp_path: Path, open_film: OpenFilm) -> None:
    for name in ("scene.1", "scene.2"):
        (tmp_path / name).mkdir()
        Image.fromarray(SCENES[0]).save(tmp_path / name / "0.png")
    edit(open_film(tmp_path / "scene.1"), 0, points=POINTS)
    other = film_of(open_film(tmp_path / "scene.2")).describe()
    assert (other["edited"], Path(other["recipe"]).name) == ([], "scene.2.film.json")


def test_second_drawing_pad_gets_one_line(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    with pytest.raises(StudioError, match=r"old\.mp4 is open in another tab"):
        pad.studio.connect(None, pad.inbox.put)
    pad.studio.disconnect(pad.session)
    assert DirectPad(pad.studio).hello["film"]["name"] == "old.mp4"


def test_thumbnails_preview_and_result_are_served(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    wait_for(pad, lambda film: film["indexed"])
    with web_client(pad.studio) as client:
        gray = pixels(client.get("/api/film/thumbnail/13").content)
        assert np.ptp(gray.astype(int), axis=2).max() < 8
        assert client.get("/api/film/thumbnail/36").status_code == 404
        assert client.get("/api/film/result").status_code == 404
        edit(pad, 14, points=POINTS)
        apply(pad)
        assert np.ptp(pixels(client.get("/api/film/thumbnail/13").content).astype(int), axis=2).max() > 15
        assert client.get("/api/film/play/14").content.count(b"--frame") == 12
        assert client.get("/api/film/play/36").status_code == 404
        assert client.get("/api/film/result").content == film_of(pad).out.read_bytes()


def test_unusual_films(tmp_path: Path, open_film: OpenFilm) -> None:
    cases = {
        "one": ({"images": SCENES[:1]}, (48, 64)),
        "turned": ({"images": SCENES[:14], "turn": 90}, (64, 48)),
        # without timestamps, each frame is read from the start of the film, whose length is unknown
        "bare": ({"images": SCENES[:14]}, (48, 64)),
    }
    for name, (options, size) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        path = write_video(folder / ("old.h264" if name == "bare" else "old.mp4"), **options)
        pad = open_film(path)
        last = len(options["images"]) - 1
        edit(pad, last, points=[{"x": 20, "y": 20, "color": "#c04020"}])
        assert pixels(pad.call("frame", frame=last).buffers[0]).shape == size
        assert apply(pad)["state"] == "done", name
        assert f"has no frame {last + 1}" in pad.call("frame", frame=last + 1).body["message"]


def test_folder_of_frames_is_a_film(tmp_path: Path, open_film: OpenFilm) -> None:
    frames = tmp_path / "old"
    frames.mkdir()
    for number, levels in enumerate(SCENES[6:18]):
        Image.fromarray(levels).save(frames / f"{number}.png")
    pad = open_film(frames)
    assert wait_for(pad, lambda film: film["indexed"])["shots"] == [0, 6]
    edit(pad, 7, points=POINTS)
    assert apply(pad)["state"] == "done"
    assert len(list((tmp_path / "old_color").glob("*.png"))) == 12


def test_extra_and_damaged_images_do_not_shift_the_frames_of_a_folder(
    tmp_path: Path, open_film: OpenFilm
) -> None:
    frames, out = tmp_path / "old", tmp_path / "old_color"
    frames.mkdir()
    for number in range(6):
        Image.fromarray(SCENES[number]).save(frames / f"f{number}.png")
    (frames / "f1.png").write_bytes(b"damaged")
    colorize_video(frames, out, keep_shots=True, **OPTIONS)
    Image.new("RGB", (64, 48), "red").save(out / "a.png")
    Image.new("RGB", (64, 48), "red").save(out / "f3.jpg")
    pad = open_film(frames)
    assert wait_for(pad, lambda film: film["indexed"])["current"]
    for number in (0, 3, 5):
        with Image.open(out / f"f{number}.png") as colored:
            opened = pad.call("frame", frame=number)
            np.testing.assert_array_equal(pixels(opened.buffers[1]), np.asarray(colored))
    with pytest.raises(ColorzooError, match="frame 1 of"):
        film_of(pad).thumbnail(1)


def test_edits_outside_the_film_are_refused(film_path: Path, open_film: OpenFilm) -> None:
    pad = open_film(film_path)
    recipe = pad.call("frame", frame=3).body["recipe"]
    for number, x in ((36, 20), (500, 20), (3, 70)):
        points = [{"x": x, "y": 20, "color": "#c04020"}]
        assert pad.call("save_frame", frame=number, recipe=recipe | {"points": points}).type == "error"
    assert not film_path.with_name("old.film.json").exists()
    assert apply(pad)["state"] == "done"


def test_key_image_of_a_frame_is_not_replaced(film_path: Path, open_film: OpenFilm) -> None:
    store = film_path.with_name("old.film.json")
    store.write_text('{"keys": [{"frame": 2, "image": "first.png"}]}')
    Image.new("RGB", (64, 48), (90, 60, 40)).save(film_path.with_name("first.png"))
    pad = open_film(film_path)
    assert "key image first.png" in pad.call("frame", frame=2).body["message"]
    reply = pad.call("save_frame", frame=2, recipe={"points": POINTS})
    assert "frame 2 has a key image" in reply.body["message"].lower()
    assert json.loads(store.read_text())["keys"] == [{"frame": 2, "image": "first.png"}]


@pytest.mark.parametrize("problem", ["no video", "damaged", "recipe", "no support"])
def test_film_that_cannot_be_opened_is_one_line(
    film_path: Path, problem: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if problem == "no video":
        film_path.write_bytes(b"text")
    elif problem == "damaged":
        film_path.write_bytes(film_path.read_bytes()[:200])
    elif problem == "recipe":
        film_path.with_name("old.film.json").write_text("{")
    else:
        monkeypatch.setitem(sys.modules, "av", None)
    assert main(["studio", str(film_path), "--no-browser", "--port", "0", "--device", "cpu"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    expected = {"recipe": "old.film.json", "no support": "colorzoo[video]"}.get(problem, "old.mp4")
    assert expected in lines[0]
