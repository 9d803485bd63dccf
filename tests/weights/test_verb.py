"""``colorzoo weights list``, ``fetch`` and ``verify``, and the catalog behind them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch

from colorzoo import registry
from colorzoo.apps.cli import weights as verb
from colorzoo.apps.cli.main import main
from colorzoo.card import ModelCard
from colorzoo.errors import UnknownModelError, WeightsError
from colorzoo.weights import catalog as catalog_module
from colorzoo.weights.catalog import cache_home, list_weights, weight_file


@pytest.fixture
def zoo(
    card, entry, payload, server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, ModelCard]:
    """Return a model with an intact embedded file and a published one that is not fetched."""
    (tmp_path / "small.safetensors").write_bytes(payload)
    monkeypatch.setattr(catalog_module, "EMBEDDED_FOLDER", tmp_path)
    published = entry(server.url("good"), published=True)
    lee = card(default=entry(file="small.safetensors"), published=published)
    cards = {"lee2099": lee, "may2098": card("may2098")}
    monkeypatch.setattr(registry, "all_cards", lambda: cards)
    return cards


def _run(*arguments: str) -> int:
    command = verb.COMMANDS[arguments[0]]
    return command.run(command.parse("colorzoo weights", arguments[1:]))


def test_weights_list_shows_the_location_of_each_file(zoo, capsys):
    assert _run("list") == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "MODEL",
        "TAG",
        "SIZE",
        "LICENSE",
        "CODE",
        "DATA",
        "SHA256",
        "FROM",
        "WHERE",
        "FILE",
    ]
    digest = zoo["lee2099"].weights["default"].sha256[:12]
    expected = [
        "lee2099",
        "default",
        "0.3",
        "MB",
        "MIT",
        "Apache-2.0",
        "unknown",
        digest,
        "package",
        "embedded",
    ]
    assert first.split()[:10] == expected
    expected = [
        "lee2099",
        "published",
        "0.3",
        "MB",
        "MIT",
        "unknown",
        "unknown",
        digest,
        "127.0.0.1",
        "missing",
    ]
    assert second.split()[:10] == expected


def test_weights_list_json_reports_fetched_files_as_cached(zoo, server, capsys):
    assert _run("fetch", "lee2099") == 0
    target = weight_file(zoo["lee2099"], "published").path
    assert capsys.readouterr().out == f"{target}\n"
    assert _run("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["tag"], row["where"]) for row in rows] == [("default", "embedded"), ("published", "cached")]
    assert (rows[1]["urls"], rows[1]["path"]) == ([server.url("good")], str(target))


def test_weights_fetch_raises_for_offline_missing_and_unknown_models(zoo, monkeypatch):
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match="OFFLINE"):
        _run("fetch", "lee2099")
    with pytest.raises(WeightsError, match="may2098"):
        _run("fetch", "may2098")
    with pytest.raises(UnknownModelError, match="lee2099"):
        _run("fetch", "lee209")


def test_weights_verify_reports_damaged_and_missing_files(zoo, tmp_path: Path, capsys):
    shipped, target = tmp_path / "small.safetensors", weight_file(zoo["lee2099"], "published").path

    def verified(*names: str) -> tuple[int, list[str]]:
        return _run("verify", *names), capsys.readouterr().out.splitlines()

    assert _run("fetch", "lee2099", "--tag", "default") == 0
    assert capsys.readouterr().out == f"{shipped}\n"
    assert verified() == (0, [f"lee2099 default {shipped} ok"])  # files that were not fetched are not damaged
    assert verified("may2098") == (
        0,
        ["no weight files found; download one with `colorzoo weights fetch NAME`"],
    )
    target.parent.mkdir(parents=True)
    target.write_bytes(b"damaged")
    found = hashlib.sha256(b"damaged").hexdigest()
    wrong = f"expected SHA-256 {zoo['lee2099'].weights['published'].sha256}, got {found}"
    remedy = "repair: colorzoo weights fetch lee2099 --tag published"
    broken = f"lee2099 published {target} broken: {wrong}; {remedy}"
    assert verified("lee2099") == (1, [f"lee2099 default {shipped} ok", broken])
    assert _run("fetch", "lee2099") == 0
    assert verified()[0] == 0
    shipped.unlink()
    assert verified()[1][0] == f"lee2099 default {shipped} broken: missing; repair: reinstall colorzoo"
    with pytest.raises(WeightsError, match="einstall colorzoo"):
        _run("fetch", "lee2099", "--tag", "default")


def test_cache_home_follows_xdg_cache_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("COLORZOO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_home() == tmp_path / "b" / "colorzoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_home() == Path.home() / ".cache" / "colorzoo"


def test_weights_fetch_metrics_names_networks_that_fail_to_download(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    assert _run("fetch", "metrics") == 1
    lines = capsys.readouterr().err.splitlines()
    assert {line.partition(": ")[0] for line in lines} >= {"fid", "lpips"}
    assert any("alexnet-owt-7be5be79.pth" in line for line in lines)


def test_models_option_license_filters_by_both_licenses(capsys) -> None:
    def found(text: str) -> set[str]:
        assert main(["models", "--license", text, "--json"]) == 0
        return {card["name"] for card in json.loads(capsys.readouterr().out)}

    assert "blanch2021" in found("NOT STATED")
    assert "zhang2017_local_small" in found("research only")
    assert "zhang2017_local_small" not in found("CC BY")
    # NOTICE lists the models that were trained on drawings
    notice = (Path(__file__).parents[2] / "NOTICE").read_text()
    drawn = set(re.findall(r"(\w+)\.safetensors", notice.partition("\n6. Drawings")[2]))
    assert len(drawn) == 5
    assert found("CC BY-SA") == drawn
    assert not drawn & found("research only")
    shipped = {file.model for file in list_weights() if file.weights.file is not None}
    assert shipped <= found("NOTICE")
    assert found("BSD-2-Clause") == {"zhang2016", "zhang2017_local"}
