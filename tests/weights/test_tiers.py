"""Which model colors when none is named: by rank, by what is on this machine, and by what is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo import Colorizer, colorize
from colorzoo.card import ModelCard, Quality, Score
from colorzoo.cli.main import main
from colorzoo.inference.defaults import choose_default
from colorzoo.inference.stylize import Stylizes
from colorzoo.registry import list_models, model_card
from colorzoo.tiers import USES, all_defaults, default_model, places
from colorzoo.weights import weights_path

FULL, SMALL = "zhang2017_local", "zhang2017_local_small"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "old.png"
    y, x = np.mgrid[0:40, 0:48]
    Image.fromarray((127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)).astype("uint8")).save(path)
    return path


def _put(card: ModelCard, content: bytes) -> Path:
    path = weights_path(card, "published")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _run(capsys, *words: str | Path) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def _shared(first: tuple[Score, ...], second: tuple[Score, ...]) -> tuple[Score, Score] | None:
    """Return the first scores of one measure and protocol that both have."""
    pairs = ((a, b) for a in first for b in second if (a.measure, a.protocol) == (b.measure, b.protocol))
    return next(pairs, None)


def _contradiction(higher: Quality, lower: Quality) -> str:
    pair = _shared(higher.measured, lower.measured) or _shared(higher.stated, lower.stated)
    if pair is None:
        return ""
    sign = 1 if pair[0].better == "higher" else -1
    return "" if sign * pair[0].value >= sign * pair[1].value else f"{pair[0]} against {pair[1]}"


@pytest.mark.parametrize("use", USES)
def test_ranks_are_unique_and_agree_with_the_first_scores_that_two_models_share(use) -> None:
    order = places(use)
    ranks = [place.quality.rank for place in order]
    assert len(set(ranks)) == len(ranks), "a card made by `replace` inherits the ranks of the other one"
    for higher, lower in combinations(order, 2):
        assert not _contradiction(higher.quality, lower.quality), (higher.card.name, lower.card.name)
    assert any(place.embedded for place in order), "a fresh machine needs one"
    for place in order:
        scores = (*place.quality.measured, *place.quality.stated)
        assert all(score.source and score.protocol for score in scores)
        assert all(score.source.startswith("docs/") for score in place.quality.measured)


def test_a_contradiction_would_be_found() -> None:
    good, bad = (Score("PSNR", value, "higher", "p", "docs/a.md") for value in (2.0, 1.0))
    first, second = (Quality("points", 1, "", measured=(score,)) for score in (good, bad))
    assert _contradiction(second, first)
    assert not _contradiction(first, second)


def test_a_fresh_machine_uses_what_ships() -> None:
    expected = {
        "automatic": SMALL,
        "sketch": "cho2023_small",
        "frames": "zhang2019_small",
        "points": SMALL,
        "scribbles": "kim2021_small",
        "regions": "cho2023_small",
        "exemplar": "xu2020_small",
        "statistics": "zhang2017_global_small",
        "classes": "chen2023_small",
        "boxes": "su2020_small",
    }
    assert {use: choice.model for use, choice in all_defaults().items()} == expected
    assert {use: default_model(use, fast=True) for use in USES} == expected


def test_a_file_in_the_cache_changes_the_default_and_fast_goes_back(
    narrow_zoo, authors_file: Path, photo: Path, capsys
) -> None:
    card = narrow_zoo()
    _, out, _ = _run(capsys, "models")
    assert f"automatic   {SMALL}" in out
    assert f"before it would go {FULL} (not here)" in out
    _put(card, authors_file.read_bytes())
    assert (default_model("automatic"), default_model("points")) == (FULL, FULL)
    assert default_model("points", fast=True) == SMALL
    _, out, _ = _run(capsys, "models")
    (line,) = (line for line in out.splitlines() if line.startswith("automatic  "))
    assert FULL in line
    assert "rank 50, its weights are here and have the hash of the card; the best of all" in line
    _, out, _ = _run(capsys, "models", FULL, "--json")
    assert json.loads(out)[0]["default_for"].keys() == {"automatic", "points"}

    named = {
        words: _run(capsys, "colorize", photo, "--overwrite", "--device", "cpu", *words)[1]
        for words in ((), ("--fast",), ("--model", SMALL))
    }
    result = photo.with_name("old.color.png")
    assert named == {
        (): f"{result} ({FULL})\n",
        ("--fast",): f"{result} ({SMALL})\n",
        ("--model", SMALL): f"{result}\n",
    }
    _, out, _ = _run(capsys, "colorize", photo, "--overwrite", "--json", "--device", "cpu")
    assert json.loads(out)[0]["model"] == FULL


def test_python_follows_and_a_recipe_stays_bound(narrow_zoo, authors_file: Path, photo: Path, capsys) -> None:
    card = narrow_zoo()
    small = np.asarray(colorize(photo))
    _put(card, authors_file.read_bytes())
    assert Colorizer().name == FULL
    assert Colorizer(fast=True).name == SMALL
    assert not np.array_equal(np.asarray(colorize(photo)), small)
    assert np.array_equal(np.asarray(colorize(photo, fast=True)), small)
    assert np.array_equal(np.asarray(colorize(photo, guidance={"model": SMALL})), small)
    recipe = photo.with_name("recipe.json")
    recipe.write_text(json.dumps({"model": SMALL}))
    _, out, _ = _run(capsys, "colorize", photo, "--recipe", recipe, "--json", "--device", "cpu")
    assert json.loads(out)[0]["model"] == SMALL


def test_a_file_without_a_stated_hash_is_tried_before_it_is_the_default(
    narrow_zoo, authors_file: Path, photo: Path, capsys
) -> None:
    card = narrow_zoo(sha256=None)
    path = _put(card, authors_file.read_bytes())
    assert default_model() == SMALL, "nobody has looked at it"
    assert f"{FULL} (here, unchecked until first use)" in _run(capsys, "models")[1]
    _, out, err = _run(capsys, "colorize", photo, "--device", "cpu")
    assert FULL in out
    assert err == ""
    assert default_model() == FULL
    assert "those of the first use (no hash is stated)" in _run(capsys, "models")[1]
    path.write_bytes(path.read_bytes() + b"more")
    assert default_model() == SMALL
    assert "here, but not used: changed since its first use" in _run(capsys, "models")[1]


def test_a_half_file_is_never_used(narrow_zoo, authors_file: Path, photo: Path, capsys) -> None:
    card = narrow_zoo(sha256=None)
    content = authors_file.read_bytes()
    path = _put(card, content[: len(content) // 2])
    for said in ("truncated", ""):  # the second time it is known
        code, out, err = _run(capsys, "colorize", photo, "--overwrite", "--device", "cpu")
        assert code == 0
        assert SMALL in out
        lines = [line for line in err.splitlines() if "said once" not in line]
        assert [said in line for line in lines] == ([True] if said else [])
    assert f"{FULL} (here, but not used: {path} is truncated" in _run(capsys, "models")[1]
    narrow_zoo()  # with a hash it is another file
    _put(model_card(FULL), content[: len(content) // 2])
    assert default_model() == SMALL


def test_a_model_that_takes_more_of_what_is_given_goes_first(narrow_zoo, authors_file: Path) -> None:
    _put(narrow_zoo(), authors_file.read_bytes())
    assert choose_default("points") == FULL
    assert choose_default(("points", "boxes")) == "su2020_small"
    assert choose_default(("points", "scribbles")) == "kim2021_small"
    assert choose_default(("exemplar", "points")) == "xu2020_small"
    assert choose_default("exemplar", able=Stylizes) == "xu2020_small"


def test_models_imports_no_torch() -> None:
    program = (
        "import sys\nfrom colorzoo.cli.main import main\n"
        "code = main(['models'])\nsys.exit(code or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


def test_pads_begin_with_the_best_for_points(narrow_zoo, authors_file: Path) -> None:
    from colorzoo.studio.models import ModelPool

    _put(narrow_zoo(), authors_file.read_bytes())
    pool = ModelPool(lambda name: Colorizer(name))
    try:
        assert pool.default == FULL
    finally:
        pool.close()


@pytest.fixture
def hint(narrow_zoo, photo: Path, capsys):
    """Color once; return what was said on standard error."""
    narrow_zoo()

    def call(*words: str) -> str:
        code, _, err = _run(capsys, "colorize", photo, "--overwrite", "--device", "cpu", *words)
        assert code == 0
        return err

    return call


def test_better_weights_are_told_of_once(hint) -> None:
    for silent in (("--json",), ("--fast",), ("--model", SMALL)):
        assert "said once" not in hint(*silent)
    said = hint()
    assert said.count("\n") == 1
    for part in (SMALL, "zhang2017_local is better", "`colorzoo weights fetch automatic`", "MB; said once"):
        assert part in said
    assert hint() == ""


def test_the_hint_names_the_use(hint) -> None:
    assert "`colorzoo weights fetch points`" in hint("--point", "5,5=#c04020")


def test_the_hint_is_silenced_and_survives_a_cache_that_cannot_be_written(
    hint, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("COLORZOO_QUIET", "1")
    assert hint() == ""
    monkeypatch.setenv("COLORZOO_QUIET", "0")
    (tmp_path / "file").touch()
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "file"))
    assert "said once" in hint()
    assert "said once" in hint()


def test_there_is_no_hint_where_the_best_is_used(narrow_zoo, authors_file: Path, hint) -> None:
    _put(narrow_zoo(), authors_file.read_bytes())
    assert hint() == ""


def test_every_model_that_ships_serves_a_use() -> None:
    ranked = {place.card.name for use in USES for place in places(use)}
    assert set(list_models(with_weights=True)) <= ranked
