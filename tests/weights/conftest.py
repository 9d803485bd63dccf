"""A local weight server with simulated faults, and small model cards."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from colorzoo import registry
from colorzoo.card import ModelCard, Weights
from narrow_weights import narrow_weights

PAYLOAD = random.Random(0).randbytes(300_000)


@dataclass
class WeightServer:
    """Server that selects its behavior by the path and records every request."""

    address: str = ""
    content: bytes = PAYLOAD
    requests: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}/net.pth"

    def count(self, path: str) -> int:
        return self.requests.count(path)


class _Handler(BaseHTTPRequestHandler):
    weight_server: WeightServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.split("/")[1]
        self.weight_server.requests.append(name)
        getattr(self, name)()

    def reply(self, body: bytes, *, status: int = 200, sent: int | None = None, **headers: str) -> None:
        """Announce the length of the whole body and send its first ``sent`` bytes."""
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[:sent])

    def good(self) -> None:
        self.reply(self.weight_server.content)

    def cut(self) -> None:
        self.reply(self.weight_server.content, sent=1000)

    def page(self) -> None:
        self.reply(b"<!doctype html><title>too large to scan for viruses</title>")

    def wrong(self) -> None:
        self.reply(bytes(len(PAYLOAD)))

    def absent(self) -> None:
        self.send_error(404)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Print nothing when a client closes the connection, as many tests do."""


@pytest.fixture
def server() -> Iterator[WeightServer]:
    state = WeightServer()
    handler = type("Handler", (_Handler,), {"weight_server": state})
    with _Server(("127.0.0.1", 0), handler) as http:
        state.address = f"http://127.0.0.1:{http.server_address[1]}"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        http.shutdown()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set a temporary cache folder and disable proxies."""
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("COLORZOO_OFFLINE", raising=False)


@pytest.fixture
def payload() -> bytes:
    return PAYLOAD


@pytest.fixture
def entry() -> Callable[..., Weights]:
    """Return a function that creates the card entry of the payload with the given URLs."""

    def make(*urls: str, content: bytes = PAYLOAD, **fields: Any) -> Weights:
        digest = hashlib.sha256(content).hexdigest()
        return Weights(sha256=digest, size=len(content), license="MIT", urls=urls, **fields)

    return make


@pytest.fixture
def card() -> Callable[..., ModelCard]:
    def make(name: str = "lee2099", **weights: Weights) -> ModelCard:
        return ModelCard(name, "A paper", "", 2099, "", "nowhere:Nothing", 10, weights=weights)

    return make


@pytest.fixture(scope="session")
def authors_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a file in the authors' format of zhang2017_local, with 1/8 of the width and other weights."""
    arrays = narrow_weights("zhang2017_local", "siggraph17_local_64")
    path = tmp_path_factory.mktemp("authors") / "siggraph17.pth"
    torch.save({key: torch.from_numpy(value) for key, value in arrays.items()}, path)
    return path


@pytest.fixture
def narrow_zoo(authors_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelCard]:
    """Return a function that makes zhang2017_local at 1/8 width the only model with published weights.

    The function takes changed fields of the weights entry and returns the card.
    """
    zoo = registry.all_cards()

    def put(**changes: Any) -> ModelCard:
        content = authors_file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        entry = Weights(digest, len(content), "MIT", urls=("https://example.org/net.pth",), published=True)
        weights = {"published": replace(entry, **changes)}
        card = replace(zoo["zhang2017_local"], hparams={"width": 0.125}, weights=weights)
        shipped = {
            name: each
            for name, each in zoo.items()
            if not any(weights.published for weights in each.weights.values())
        }
        cards = {**shipped, card.name: card}
        monkeypatch.setattr(registry, "all_cards", lambda: cards)
        return card

    return put
