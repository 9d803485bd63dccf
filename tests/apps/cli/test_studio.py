"""``colorzoo studio``: errors and start of the server."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio import server
from colorzoo.apps.studio.protocol import Message
from colorzoo.apps.studio.studio import Studio
from colorzoo.factory import build_model
from colorzoo.registry import load_model_class, model_card
from colorzoo.weights import save_weights
from tiny_model import Refused, gray_image

INVALID = {
    "--model zhang2017_locl": "zhang2017_local",
    "--host 203.0.113.7 --port 0": "203.0.113.7",
    "--static page --model su2020_small": "su2020_small",
    "one.jpg other.jpg": "--static",
    "--model kang2023 --weights oils": "'artistic'",
    "page.html": "page.html",
    "list.html": "list.html",
    "half.html": "gone.html",
    "page.html --recipe a.json": "--recipe",
    "--recipe plain.json": "requires IMAGE",
    "--recipe typo.json": "pionts",
    "page.html --host 0.0.0.0": "--host",
}


def test_invalid_studio_arguments_are_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = '<script type="application/json" id="data">'
    (here / "page.html").touch()
    (here / "half.html").write_text(f'{data}{{"pages": ["gone.html"], "images": []}}</script>')
    (here / "list.html").write_text(f"{data}[1]</script>")
    (here / "plain.json").write_text('{"points": []}')
    (here / "typo.json").write_text('{"pionts": []}')
    for words, message in INVALID.items():
        assert main(["studio", "--no-browser", *words.split()]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_port_in_use_is_an_error(refused: Refused) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert "--port" in refused("studio", "--no-browser", "--port", port)


def test_studio_names_the_report_for_the_images_of_a_folder(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "album").mkdir()
    with socket.socket() as other:  # a used port ends the command
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(["studio", "album", "--no-browser", "--port", str(other.getsockname()[1])]) == 2
    assert "`colorzoo studio report.html`" in capsys.readouterr().out


def test_missing_extra_prints_the_install_command(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "uvicorn" else object())
    assert '`python -m pip install "colorzoo[studio]"`' in refused("studio")


def test_server_prints_its_address_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    Image.fromarray(gray_image(40, 50)).save(tmp_path / "old.jpg")
    command = [sys.executable, "-m", "colorzoo", "studio", "old.jpg", "--no-browser", "--port", "0"]
    source = str(Path(colorzoo.__path__[0]).parent)
    environment = {**os.environ, "PYTHONPATH": source}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address, line
        with urllib.request.urlopen(address[0], timeout=20) as page:
            assert b"colorzoo studio" in page.read()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(120) == 0
        finally:
            process.kill()  # `Popen` waits for the process at the end of the block


def test_studio_uses_given_weights_recipe_and_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, file = "zhang2017_local", tmp_path / "narrow.safetensors"
    model = build_model(load_model_class(model_card(name)), {"width": 0.125})
    save_weights(file, model.state_dict(), {"model": name, "hparams": '{"width": 0.125}'})
    made: list[Any] = []
    monkeypatch.setattr(server, "serve", lambda make, **given: made.extend((make(), given)))
    Image.fromarray(gray_image(40, 50)).save(tmp_path / "old.jpg")
    (tmp_path / "r.json").write_text('{"version": 1, "strength": 0.5}')
    words = [tmp_path / "old.jpg", "--recipe", tmp_path / "r.json", "--allow-host", "Pad.Org", "--no-browser"]
    assert main(["studio", "--weights", str(file), *map(str, words)]) == 0  # the file contains the model name
    studio, given = made
    assert isinstance(studio, Studio)
    assert given == {
        "host": "127.0.0.1",
        "port": None,
        "names": ["pad.org"],
        "browser": False,
        "report": None,
    }
    hello: list[Message] = []
    studio.connect(None, hello.append)
    assert (hello[0].body["start"]["name"], hello[0].body["recipe"]["strength"]) == ("old.jpg", 0.5)
    (entry,) = [each for each in studio.pool.describe() if each["default"]]
    assert (entry["name"], entry["ready"]) == (name, True)
    assert studio.pool.get(None).weights == str(file)
    studio.close()
