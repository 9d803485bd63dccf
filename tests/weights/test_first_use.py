"""Files whose authors state no hash: accepted by size and fit, recorded, and never silently another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from colorzoo.cli.main import main
from colorzoo.errors import WeightsError
from colorzoo.factory import create_model
from colorzoo.weights import fetch, ledger, weights_path
from colorzoo.weights._files import sha256_of
from colorzoo.weights.ledger import inspect, note_path, read_note

NAME = "zhang2017_local"


@pytest.fixture
def card(narrow_zoo, authors_file: Path):
    return narrow_zoo(sha256=None)


@pytest.fixture
def placed(card, authors_file: Path) -> Path:
    """Put the file into the cache by hand."""
    path = weights_path(card, "published")
    path.parent.mkdir(parents=True)
    path.write_bytes(authors_file.read_bytes())
    return path


def _verdict(card, path: Path) -> str:
    return inspect(card.weights["published"], path).verdict


def test_a_file_placed_by_hand_is_recorded_when_it_fits(card, placed: Path) -> None:
    assert _verdict(card, placed) == "unchecked"
    assert create_model(NAME, offline=True).trained
    assert _verdict(card, placed) == "recorded"
    note = read_note(placed)
    assert note is not None
    assert (note.sha256, note.size) == (sha256_of(placed), placed.stat().st_size)


def test_another_file_is_refused_later_in_one_line(card, placed: Path) -> None:
    create_model(NAME, offline=True)
    recorded = sha256_of(placed)
    state = torch.load(placed)
    torch.save({key: value + 1 for key, value in state.items()}, placed)
    for use in (
        lambda: create_model(NAME, "published"),
        lambda: fetch(card.weights["published"], placed),
    ):
        with pytest.raises(WeightsError, match=r"changed since its first use on \d{4}-") as caught:
            use()
        message = str(caught.value)
        assert f"expected sha256 {recorded}, found {sha256_of(placed)}" in message
        assert str(note_path(placed)) in message
        assert "\n" not in message
    assert placed.is_file(), "it is the user's to decide"
    note_path(placed).unlink()
    assert create_model(NAME, "published", offline=True).trained


def test_settings_of_the_users_own_decide_nothing(card, placed: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit"):
        create_model(NAME, "published", offline=True, width=0.25)
    assert _verdict(card, placed) == "unchecked"


def test_a_half_file_is_refused_and_replaced_by_fetch(narrow_zoo, authors_file: Path, server) -> None:
    card = narrow_zoo(sha256=None, urls=(server.url("good"),))
    server.content = authors_file.read_bytes()
    path = weights_path(card, "published")
    path.parent.mkdir(parents=True)
    path.write_bytes(server.content[: len(server.content) // 2])
    with pytest.raises(WeightsError, match="truncated"):
        create_model(NAME, "published")
    with pytest.raises(WeightsError, match=r"is not used: .*truncated.*`colorzoo weights fetch"):
        create_model(NAME, "published")
    assert server.requests == [], "nothing is fetched behind the user's back"
    assert main(["weights", "fetch", NAME]) == 0
    assert path.read_bytes() == server.content
    assert _verdict(card, path) == "recorded"


@pytest.mark.parametrize(
    ("stated", "factor", "said"),
    [
        (True, 1.001, r"has \d+ bytes instead of \d+"),
        (False, 5, r"has \d+\.\d MB instead of about \d"),
        (False, 0.2, r"has \d+\.\d MB instead of about \d"),
    ],
)
def test_a_file_of_another_size_is_refused(narrow_zoo, authors_file, server, stated, factor, said) -> None:
    server.content = authors_file.read_bytes()
    size = int(len(server.content) * factor)
    card = narrow_zoo(sha256=None, size=size, size_stated=stated, urls=(server.url("good"),))
    path = weights_path(card, "published")
    with pytest.raises(WeightsError, match=said):
        fetch(card.weights["published"], path)
    assert not path.exists()
    path.write_bytes(server.content)
    assert _verdict(card, path) == "refused"


def test_a_page_instead_of_the_file_is_named_and_the_next_address_asked(
    narrow_zoo, server, authors_file
) -> None:
    server.content = authors_file.read_bytes()
    card = narrow_zoo(sha256=None, urls=(server.url("page"),))
    path = weights_path(card, "published")
    with pytest.raises(WeightsError, match="a web page instead of the file"):
        fetch(card.weights["published"], path)
    card = narrow_zoo(sha256=None, urls=(server.url("page"), server.url("good")))
    assert fetch(card.weights["published"], path).read_bytes() == server.content


@pytest.mark.parametrize("way", ["cut_once", "cut_without_length"])
def test_a_cut_download_is_made_whole(narrow_zoo, payload: bytes, server, way: str) -> None:
    card = narrow_zoo(sha256=None, size=len(payload), size_stated=True, urls=(server.url(way),))
    path = fetch(card.weights["published"], weights_path(card, "published"))
    assert path.read_bytes() == payload
    assert server.count(way) == 2


def test_the_command_line_says_what_a_hash_rests_on(card, placed: Path, capsys) -> None:
    main(["weights", "list"])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{NAME} "))
    assert "not stated" in line
    assert main(["weights", "verify", NAME]) == 0
    digest = sha256_of(placed)
    assert f"ok: sha256 {digest}, recorded on first use" in capsys.readouterr().out
    main(["weights", "list"])
    assert f"{digest[:12]} (recorded on first use)" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    assert f"recorded on first use, fetched, {placed}" in capsys.readouterr().out
    placed.write_bytes(placed.read_bytes() + b"0")
    assert main(["weights", "verify", NAME]) == 1
    assert "broken: changed since its first use" in capsys.readouterr().out
    assert main(["doctor"]) == 1
    assert f"{placed} is not used: changed since its first use" in capsys.readouterr().out


def test_verify_refuses_what_does_not_fit(card, placed: Path, capsys) -> None:
    state = torch.load(placed)
    state.pop("model1.0.weight")
    torch.save(state | {"pad": torch.zeros(100)}, placed)
    assert main(["weights", "verify", NAME]) == 1
    assert "does not fit" in capsys.readouterr().out


def test_what_is_known_is_not_hashed_again(narrow_zoo, authors_file: Path, monkeypatch) -> None:
    card = narrow_zoo()
    entry, path = card.weights["published"], weights_path(card, "published")
    path.parent.mkdir(parents=True)
    path.write_bytes(authors_file.read_bytes())
    hashed: list[Path] = []
    monkeypatch.setattr(ledger, "sha256_of", lambda each: hashed.append(each) or sha256_of(each))
    assert [inspect(entry, path).verdict for _ in range(3)] == ["verified"] * 3
    assert hashed == [path]
    path.touch()
    assert inspect(entry, path).verdict == "verified"
    assert inspect(entry, path, thorough=True).verdict == "verified"
    assert len(hashed) == 3
    path.write_bytes(b"other")
    assert inspect(entry, path).verdict == "changed"


@pytest.mark.parametrize("content", ["", "[]", '{"sha256": 1}', "{"])
def test_a_damaged_note_counts_as_none(card, placed: Path, content: str) -> None:
    note_path(placed).write_text(content)
    assert _verdict(card, placed) == "unchecked"
    create_model(NAME, offline=True)
    assert json.loads(note_path(placed).read_text())["sha256"] == sha256_of(placed)


def test_nothing_fails_where_the_note_cannot_be_written(card, placed: Path) -> None:
    note_path(placed).mkdir()
    assert create_model(NAME, offline=True).trained
    assert _verdict(card, placed) == "unchecked"
