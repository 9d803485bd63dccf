"""Blind votes: the page in Chromium, files of votes, and scores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser_pad import chromium, missing
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.errors import DataError
from colorzoo.evaluation import evaluate, methods
from colorzoo.evaluation.vote import bradley_terry, count_votes, write_vote
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.simulation import SessionResult, TargetImage
from colorzoo.simulation.session import ColorFunction
from colorzoo.zoo.su2020.model import InstanceColorization
from tiny_evaluation import PROTOCOL, write_image
from tiny_model import Refused


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 20 images."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(20):
        write_image(folder / f"{index}.png", index)
    return folder


@pytest.fixture(scope="module")
def vote(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a vote between the ground truth and existing gray results."""
    folder = tmp_path_factory.mktemp("votes") / "vote"
    plain = tmp_path_factory.mktemp("plain")
    for path in photos.iterdir():
        with Image.open(path) as image:
            image.convert("L").convert("RGB").save(plain / path.name)
    assert write_vote(["truth", f"plain={plain}"], photos, folder) == ()
    return folder


def read_key(vote: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((vote / "key.json").read_text())
    return found


def write_votes(folder: Path, name: str, choices: list[str], **changes: object) -> Path:
    file = folder.parent / f"{name}.json"
    content = {"schema": 1, "vote": read_key(folder)["vote"], "voter": name, "votes": choices} | changes
    file.write_text(json.dumps(content))
    return file


def sides_of(vote: Path, method: str) -> list[str]:
    return ["left" if pair["left"] == method else "right" for pair in read_key(vote)["pairs"]]


def test_pages_hide_the_methods_and_the_key_names_them(vote: Path, photos: Path) -> None:
    pairs = read_key(vote)["pairs"]
    assert sorted(pair["image"] for pair in pairs) == sorted(path.name for path in photos.iterdir())
    assert [pair["image"] for pair in pairs] != sorted(pair["image"] for pair in pairs)
    assert set(sides_of(vote, "truth")) == {"left", "right"}
    for number, pair in enumerate(pairs, start=1):
        for side in ("left", "right"):
            with Image.open(vote / f"page/images/{number:04d}-{side}.png") as image:
                assert max(image.size) == 512
                assert not image.info
                colors = np.ptp(np.asarray(image).astype(int), axis=2).max()
            assert (colors > 10) == (pair[side] == "truth")
    page = (vote / "page/index.html").read_text()
    assert not any(
        word in page for word in ("truth", "plain", "key.json", *(pair["image"] for pair in pairs))
    )


def test_order_depends_only_on_the_seed(photos: Path, tmp_path: Path) -> None:
    keys = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        write_vote(["truth", f"copy={photos}"], photos, tmp_path / name, limit=4, seed=seed)
        keys.append(read_key(tmp_path / name))
    assert keys[0] == keys[1]
    assert keys[0]["vote"] != keys[2]["vote"]
    assert keys[0]["pairs"] != keys[2]["pairs"]


def test_votes_on_other_results_of_the_same_methods_are_refused(photos: Path, tmp_path: Path) -> None:
    for name, seed in (("first", 20), ("second", 40)):
        write_image(tmp_path / name / "mine" / "0.png", seed)
        models = ["truth", f"mine={tmp_path / name / 'mine'}"]
        write_vote(models, photos, tmp_path / name / "vote", limit=1)
    votes = write_votes(tmp_path / "first" / "vote", "a", ["left"])
    with pytest.raises(DataError, match="belongs to the vote"):
        count_votes(tmp_path / "second" / "vote" / "key.json", [votes])


def test_count_votes_sums_the_votes_of_all_files(vote: Path) -> None:
    truth, plain = sides_of(vote, "truth"), sides_of(vote, "plain")
    files = [
        write_votes(vote, "a", truth),
        write_votes(vote, "b", [*plain[:4], "same", "same", *truth[6:15]]),
    ]
    first, second = count_votes(vote / "key.json", files)
    assert [first.name, first.won, first.same, first.lost] == ["truth", 29, 2, 4]
    assert [second.name, second.won, second.same, second.lost] == ["plain", 4, 2, 29]
    assert first.score.low > 0 > second.score.high


def test_vote_gives_methods_the_guidance_of_the_evaluation(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels, boxes and references of the folder reach the network as in a report."""
    (image_folder / "labels.csv").write_text("image,label\n0.png,7\n2.png,3\n")
    (image_folder / "boxes.csv").write_text("image,left,top,right,bottom\n0.png,12,4,36,30\n")
    (image_folder / "pairs.csv").write_text("target,reference\n0.png,1.png\n2.png,3.png\n")
    protocol = tmp_path / "mine.yaml"
    text = PROTOCOL.replace("{name: uniform_points, side: 4}", "{name: exemplar}")
    protocol.write_text(text + "references: pairs\ncoloring: network\n")
    calls: list[tuple[TargetImage, Guidance]] = []

    def recorded(_: ColoringModel) -> ColorFunction:
        def colorize(scene: TargetImage, guidance: Guidance) -> SessionResult:
            calls.append((scene, guidance))
            return SessionResult(scene.rgb, scene.ab)

        return colorize

    monkeypatch.setattr(methods, "model_function", recorded)
    monkeypatch.setattr(InstanceColorization, "accepts", frozenset({"label", "boxes", "exemplar"}))
    models, count = ["su2020_small", "gray"], ["--interactions", "1"]
    evaluate(models, image_folder, str(protocol), interactions=[1], metrics=["psnr"])
    evaluated = calls.copy()
    calls.clear()
    words = ["--models", ",".join(models), "--data", str(image_folder), "--protocol", str(protocol)]
    assert main(["evaluate", *words, *count, "--vote", str(tmp_path / "vote")]) == 0

    kinds = ("exemplar", "boxes", "label")
    assert [set(guidance.kinds()) for _, guidance in calls] == 2 * [{*kinds[1:]}, {*kinds}, set()]
    assert len(calls) == len(evaluated)
    for (scene, guidance), (true_scene, true_guidance) in zip(calls, evaluated, strict=True):
        assert torch.equal(scene.lightness, true_scene.lightness)
        assert repr(guidance) == repr(true_guidance)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vote": "another"}, "belongs to the vote another"),
        ({"votes": ["left", "up"]}, "must list at most 20 votes"),
        ({"votes": ["left"] * 21}, "must list at most 20 votes"),
        ({"voter": "first"}, "same voter"),
    ],
)
def test_count_votes_refuses_unsuitable_files(vote: Path, changes: dict[str, object], message: str) -> None:
    first = write_votes(vote, "first", ["left"])
    with pytest.raises(DataError, match=message) as caught:
        count_votes(vote / "key.json", [first, write_votes(vote, "second", ["left"], **changes)])
    assert "\n" not in str(caught.value)


def test_bradley_terry_matches_log_odds_and_covers_the_true_scores() -> None:
    first, second = bradley_terry(np.array([[0, 30], [10, 0]]))
    assert first.value - second.value == pytest.approx(np.log(30.5 / 10.5))
    error = np.sqrt(1 / 30.5 + 1 / 10.5)
    assert (first.high - first.low) / 2 == pytest.approx(1.959964 * error / 2)

    random = np.random.default_rng(0)
    true = np.array([1.0, 0.2, -0.4, -0.8])
    covered = []
    for _ in range(100):
        wins = np.zeros((4, 4))
        for one in range(4):
            for other in range(one):
                wins[one, other] = random.binomial(60, 1 / (1 + np.exp(true[other] - true[one])))
                wins[other, one] = 60 - wins[one, other]
        covered += [s.low < t < s.high for s, t in zip(bradley_terry(wins), true, strict=True)]
    assert 0.9 < np.mean(covered) < 0.99


def test_bradley_terry_is_finite_for_a_method_that_always_wins() -> None:
    first, second = bradley_terry(np.array([[0, 20], [0, 0]]))
    assert 0 < first.low < first.value < first.high < 10
    assert second.value == pytest.approx(-first.value)


def test_bradley_terry_requires_connected_methods() -> None:
    wins = np.zeros((4, 4))
    wins[0, 1] = wins[2, 3] = 1
    with pytest.raises(DataError, match=r"got separate groups: a, b \| c, d"):
        bradley_terry(wins, ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "truth", "--data", ".", "--vote", "new"], "at least two methods"),
        (["--models", "truth,gray", "--vote", "new"], "requires --models A,B and --data DIR"),
        (["--data", ".", "--vote", "new", "-o", "report"], "-o cannot be combined with --vote"),
        (
            ["--models", "truth,gray", "--data", ".", "--vote", "new", "--protocol", "mine"],
            "unknown protocol 'mine'",
        ),
        (
            ["--models", "truth,gray", "--data", ".", "--vote", "new", "--protocol", "zhang2017-hint"],
            "Did you mean zhang2017-hints",
        ),
        (["--models", "truth,gray", "--data", ".", "--vote", "new"], "is inside the input folder"),
        (["--models", "truth,gray", "--data", ".", "--vote", "vote"], "key.json already exists"),
        (["--votes", "missing.json"], "Set --vote to the folder of the vote"),
        (["--vote", "vote", "--votes", "missing.json"], "missing.json' cannot be read"),
        (["--vote", "vote", "--votes", "vote/page/images/0001-left.png"], "is not a JSON file"),
    ],
)
def test_evaluate_refuses_unsuitable_votes(
    vote: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(vote.parent)
    assert message in refused("evaluate", *words)
    assert not (vote.parent / "new").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if lacking := missing():
        pytest.skip(lacking)
    with chromium() as found:
        yield found


def record_missing(problems: list[str], request: Any) -> None:
    if request.failure != "net::ERR_ABORTED":  # a reload aborts the requests of the next pair
        problems.append(request.url)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_two_voters_vote_in_the_browser(
    browser: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vote with the keyboard, correct and resume a vote, save both files, and print the scores."""
    folder = tmp_path / "vote"
    words = ["--models", "truth,gray", "--data", str(photos), "--vote", str(folder)]
    assert main(["evaluate", *words]) == 0
    address = Path(capsys.readouterr().out.strip())
    assert address == folder / "page/index.html"
    keys = {"left": "ArrowLeft", "right": "ArrowRight"}
    truth = sides_of(folder, "truth")
    for voter in range(2):
        context = browser.new_context(viewport={"width": 900, "height": 700})
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
        page.on("requestfailed", partial(record_missing, problems))
        page.goto(address.as_uri())
        page.wait_for_selector("#progress:has-text('1 of 20')")
        assert page.is_disabled("#save")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        for number, side in enumerate(truth):
            assert page.inner_text("#progress") == f"{number + 1} of 20"
            page.wait_for_function(
                "[...document.images].every((one) => one.complete && one.naturalWidth === 512)"
            )
            if number == 10:
                page.reload()  # the votes are stored
                page.wait_for_selector("#progress:has-text('11 of 20')")
            if voter == 1 and number < 2:
                page.keyboard.press("ArrowDown")
            elif voter == 1 and number < 5:
                page.keyboard.press(keys["right" if side == "left" else "left"])
            elif number % 2:
                page.keyboard.press(keys[side])
            else:
                page.click(f"#{side}")
        assert "All 20 pairs have a vote" in page.inner_text("#progress")
        assert page.is_hidden("#pair")
        page.keyboard.press("ArrowLeft")  # without effect after the last pair
        with page.expect_download() as waiting:
            page.click("#save")
        waiting.value.save_as(folder / waiting.value.suggested_filename)
        assert problems == []
        context.close()
    files = sorted(map(str, folder.glob("votes-*.json")))
    assert len(files) == 2
    assert main(["evaluate", "--votes", *files]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["method", "truth", "gray"]
    assert [line[-3:] for line in lines[1:]] == [["35", "2", "3"], ["3", "2", "35"]]
    assert float(lines[1][1]) == pytest.approx(np.log(36.5 / 4.5) / 2, abs=0.01)
