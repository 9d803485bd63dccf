"""Shipped protocols, published numbers, and invalid protocols."""

from dataclasses import replace
from pathlib import Path

import pytest

from colorzoo.errors import DataError
from colorzoo.evaluation.measures import list_metrics, named_measure
from colorzoo.evaluation.pictures import subset_names
from colorzoo.evaluation.protocol import list_protocols, load_protocol, parse_protocol
from colorzoo.evaluation.published import all_published, published_for
from colorzoo.metrics.named import abbreviations
from colorzoo.simulation import make_user

WANTED = {
    "automatic",
    "su2020-pictures",
    "zhang2016-table1",
    "cho2023-regions",
    "imagenet-val5k",
    "kim2021-edges",
    "spcolor-exemplar",
    "zhang2017-hints",
}


def test_the_named_protocols_exist() -> None:
    assert set(list_protocols()) >= WANTED


@pytest.mark.parametrize("name", list_protocols())
def test_users_metrics_and_subsets_of_shipped_protocols_exist(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert {abbreviations().get(metric, metric) for metric in protocol.metrics} <= set(list_metrics())
    for choice in (protocol.user, protocol.background):
        if choice is not None:
            make_user(choice.name, **choice.options)
    if protocol.subset is not None:
        assert subset_names(protocol.subset)[0].startswith("ILSVRC2012_val_")
    assert protocol.target is None or protocol.target.metric in protocol.metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version: 2\n", ""), "version"),
        (("mode: squash", "mode: stretch"), "resize.mode"),
        (("size: 256", "size: 2"), "size"),
        (("interactions: [0]", "interactions: [-1]"), "interactions"),
        (("coloring: colorizer", "coloring: pad"), "coloring"),
        (("interactions: [0]", "iterations: [0]"), "iterations"),
        (("{mode", "{{mode"), "YAML"),
    ],
)
def test_an_invalid_protocol_is_an_error_with_the_reason(change: tuple[str, str], message: str) -> None:
    text = load_protocol("automatic").text
    assert change[0] in text
    with pytest.raises(DataError, match=message) as caught:
        parse_protocol(text.replace(*change), "mine.yaml")
    assert "\n" not in str(caught.value)


def test_the_error_for_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(DataError, match="zhang2017-hints"):
        load_protocol("zhang2017-hint")


def test_a_protocol_can_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(load_protocol("automatic").text.replace("name: automatic", "name: mine"))
    assert load_protocol(str(file)).label == "mine/2"


def test_published_numbers_have_a_protocol_and_remarks_if_not_exact() -> None:
    entries = all_published()
    assert len(entries) > 150
    assert {entry.protocol.partition("/")[0] for entry in entries} <= set(list_protocols())
    assert all(entry.exact or entry.remark for entry in entries)
    curve = [e for e in entries if e.protocol == "zhang2017-hints/1" and "npy" in e.source]
    assert (curve[0].count, curve[0].value) == (0, 24.43)
    assert (curve[-1].count, curve[-1].value) == (501, 32.14)


def test_a_published_number_is_comparable_only_under_the_same_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    protocol = load_protocol("zhang2017-hints")
    outputs = named_measure("psnr").outputs
    entry = replace(all_published()[0], protocol="zhang2017-hints/1", metric=outputs[0].key, exact=True)
    entry = replace(entry, resize=protocol.resize.key, remark="")
    for change, deviation, reason in (
        ({}, "", ""),
        ({}, "only the first 3", "other pictures (only the first 3)"),
        ({"protocol": "zhang2017-hints/2"}, "", "protocol zhang2017-hints/2"),
        ({"resize": "none"}, "", "resize none"),
        ({"metric": "psnr"}, "", "metric psnr"),
        ({"exact": False, "remark": "who knows"}, "", "who knows"),
    ):
        table = (replace(entry, **change),)
        monkeypatch.setattr("colorzoo.evaluation.published.all_published", lambda table=table: table)
        (found,) = published_for(protocol, outputs, deviation)
        assert found.differs == reason
