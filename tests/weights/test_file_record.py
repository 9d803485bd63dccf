"""Trust on first use: files without a stated hash are accepted by size and fit, recorded, and then fixed."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from colorzoo.card import Weights
from colorzoo.cli.main import main
from colorzoo.errors import WeightsError
from colorzoo.registry import model_card
from colorzoo.training.create import create_model
from colorzoo.weights import file_record, weights_path
from colorzoo.weights.catalog import list_weights
from colorzoo.weights.download import fetch
from colorzoo.weights.file_record import check_size, inspect_file, read_record, record_path, size_limits
from colorzoo.weights.files import megabytes, sha256_of
from colorzoo.weights.resolve import resolve_weights

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


def _status(card, path: Path) -> str:
    return inspect_file(card.weights["published"], path).status


def test_a_file_placed_by_hand_is_recorded_when_it_fits(card, placed: Path) -> None:
    assert _status(card, placed) == "unchecked"
    assert create_model(NAME, offline=True).trained
    assert _status(card, placed) == "recorded"
    record = read_record(placed)
    assert record is not None
    assert (record.sha256, record.size) == (sha256_of(placed), placed.stat().st_size)
    found = resolve_weights(card, "published", offline=True)
    assert found is not None
    assert (found.sha256, found.unverified_sha256) == (record.sha256, None)
    os.utime(placed, (5, 5))
    assert _status(card, placed) == "recorded"
    later = replace(record, changed=5 * 10**9)  # so that it is not hashed again
    assert read_record(placed) == later


def test_a_file_that_changed_after_its_first_use_is_refused(card, placed: Path) -> None:
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
        assert str(record_path(placed)) in message
        assert "\n" not in message
    assert placed.is_file(), "it is the user's to decide"
    record_path(placed).unlink()
    assert create_model(NAME, "published", offline=True).trained


def test_a_misfit_with_the_users_settings_is_not_recorded(card, placed: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit"):
        create_model(NAME, "published", offline=True, width=0.25)
    assert _status(card, placed) == "unchecked"


def test_a_truncated_file_is_refused_and_replaced_by_fetch(narrow_zoo, authors_file: Path, server) -> None:
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
    assert _status(card, path) == "recorded"


@pytest.mark.parametrize(
    ("sha256", "stated", "limits"),
    [(None, True, (1000, 1000)), (None, False, (300, 4000)), ("0" * 64, False, (980, 2000))],
)
def test_a_file_may_differ_so_much_from_the_size_on_its_card(
    sha256: str | None, stated: bool, limits: tuple[int, int]
) -> None:
    weights = Weights(sha256, 1000, "MIT", size_stated=stated)
    assert size_limits(weights) == limits
    assert [bool(check_size(weights, n)) for n in (limits[0] - 1, *limits, limits[1] + 1)] == [1, 0, 0, 1]


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
    assert _status(card, path) == "refused"


def test_a_web_page_instead_of_the_file_is_named_and_the_next_address_tried(
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
def test_a_cut_download_is_completed(narrow_zoo, payload: bytes, server, way: str) -> None:
    card = narrow_zoo(sha256=None, size=len(payload), size_stated=True, urls=(server.url(way),))
    path = fetch(card.weights["published"], weights_path(card, "published"))
    assert path.read_bytes() == payload
    assert server.count(way) == 2


def test_list_verify_and_doctor_show_recorded_hashes(card, placed: Path, capsys) -> None:
    def listed() -> dict[str, list[str]]:
        assert main(["weights", "list"]) == 0
        rows = [re.split("  +", line) for line in capsys.readouterr().out.splitlines()]
        assert rows[0] == ["MODEL", "TAG", "SIZE", "LICENSE", "CODE", "SHA256", "FROM", "WHERE", "FILE"]
        return {row[0]: row[1:] for row in rows[1:]}

    entry, digest = card.weights["published"], sha256_of(placed)
    facts = ["published", megabytes(entry.size), "MIT", "unknown"], ["example.org", "cached", str(placed)]
    assert listed()[NAME] == [*facts[0], "not stated", *facts[1]]
    assert main(["weights", "verify", NAME]) == 0
    told = f"ok: sha256 {digest}, recorded on first use (its authors state none)"
    assert capsys.readouterr().out == f"{NAME} published {placed} {told}\n"
    assert listed()[NAME] == [*facts[0], f"{digest[:12]} (recorded on first use)", *facts[1]]
    (shipped,) = list_weights([model_card("colorzoo2026")])
    stated = [
        megabytes(shipped.weights.size),
        shipped.weights.license,
        "Apache-2.0",
        shipped.weights.sha256[:12],
    ]
    assert listed()["colorzoo2026"] == ["default", *stated, "package", "embedded", str(shipped.path)]
    assert main(["weights", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        json.dumps([row.to_dict() for row in list_weights()])
    )
    assert main(["doctor"]) == 0
    assert f"recorded on first use, fetched, {placed}" in capsys.readouterr().out
    placed.write_bytes(placed.read_bytes() + b"0")
    assert main(["weights", "verify", NAME]) == 1
    assert "broken: changed since its first use" in capsys.readouterr().out
    assert main(["doctor"]) == 1
    assert f"{placed} is not used: changed since its first use" in capsys.readouterr().out


def test_verify_refuses_a_file_that_does_not_fit(card, placed: Path, capsys) -> None:
    state = torch.load(placed)
    state.pop("model1.0.weight")
    torch.save(state | {"pad": torch.zeros(100)}, placed)
    assert main(["weights", "verify", NAME]) == 1
    assert "does not fit" in capsys.readouterr().out


def test_a_file_with_a_current_record_is_not_hashed_again(
    narrow_zoo, authors_file: Path, monkeypatch
) -> None:
    card = narrow_zoo()
    entry, path = card.weights["published"], weights_path(card, "published")
    path.parent.mkdir(parents=True)
    path.write_bytes(authors_file.read_bytes())
    hashed: list[Path] = []
    monkeypatch.setattr(file_record, "sha256_of", lambda each: hashed.append(each) or sha256_of(each))
    assert [inspect_file(entry, path).status for _ in range(3)] == ["verified"] * 3
    assert hashed == [path]
    path.touch()
    assert inspect_file(entry, path).status == "verified"
    assert inspect_file(entry, path, rehash=True).status == "verified"
    assert len(hashed) == 3
    path.write_bytes(b"other")
    assert inspect_file(entry, path).status == "changed"


@pytest.mark.parametrize("content", ["", "[]", '{"sha256": 1}', "{"])
def test_a_damaged_record_counts_as_none(card, placed: Path, content: str) -> None:
    record_path(placed).write_text(content)
    assert _status(card, placed) == "unchecked"
    create_model(NAME, offline=True)
    assert json.loads(record_path(placed).read_text())["sha256"] == sha256_of(placed)


def test_nothing_fails_where_the_record_cannot_be_written(card, placed: Path) -> None:
    record_path(placed).mkdir()
    assert create_model(NAME, offline=True).trained
    assert _status(card, placed) == "unchecked"
