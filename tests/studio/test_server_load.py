"""Eight sessions at once on a real server: no error, no mixed-up answer, bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import websockets
from pads import tiny_studio
from PIL import Image

from colorzoo.studio.app import StudioLoader
from colorzoo.studio.protocol import Message, pack, unpack
from colorzoo.studio.server import Address, run_server

SESSIONS, SECONDS = 8, 3
DEADLINE = 20  # seconds for the last answer


@pytest.mark.nightly
def test_eight_sessions_for_a_few_seconds() -> None:
    studio = tiny_studio()
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        counts = asyncio.run(run_sessions(url))
        kept = studio.sessions.nbytes
    assert len(counts) == SESSIONS
    assert min(counts) >= 1  # none starves
    assert kept < SESSIONS * 8 * 2**20
    assert studio.uploads.nbytes == 0


async def run_sessions(url: str) -> list[int]:
    """Draw in all sessions at once; return the number of images that each received."""
    ready = asyncio.Barrier(SESSIONS)
    return await asyncio.gather(*(run_session(url, number, ready) for number in range(SESSIONS)))


async def run_session(url: str, number: int, ready: asyncio.Barrier) -> int:
    """Open a photo of a size of its own and request colors, often before the last answer has come."""
    size = (160 + 8 * number, 120 + 8 * number)
    levels = np.random.default_rng(number).integers(0, 255, size[::-1], np.uint8)
    photo = io.BytesIO()
    Image.fromarray(levels).save(photo, "PNG")
    draws = random.Random(number)
    sent: dict[int, str] = {}
    answers: Counter[str] = Counter()
    answered: set[int | None] = set()
    async with websockets.connect(
        f"ws://{urlsplit(url).netloc}/api/ws?{urlsplit(url).query}", max_size=None
    ) as socket:
        assert json.loads(await socket.recv())["type"] == "hello"
        body = {"type": "open", "id": 1, "name": f"{number}.png"}
        await socket.send(pack(Message(body, (photo.getvalue(),))))
        while (opened := unpack(await socket.recv()).body).get("re") != 1:
            pass
        assert (opened["width"], opened["height"]) == size
        await ready.wait()
        end, request = time.monotonic() + SECONDS, 1
        while time.monotonic() < end:
            request += 1
            point = {"x": draws.random() * 100, "y": draws.random() * 100, "color": "#c04020"}
            sent[request] = "final" if request % 4 == 0 else "drag"
            recipe = {"image": opened["image"], "points": [point]}
            body = {"type": "color", "id": request, "recipe": recipe, "quality": sent[request]}
            await socket.send(pack(Message(body)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(draws.uniform(0.01, 0.08)):
                    while True:
                        answered.add(check(unpack(await socket.recv()), sent, size, answers))
        async with asyncio.timeout(DEADLINE):
            while request not in answered:
                answered.add(check(unpack(await socket.recv()), sent, size, answers))
    return answers["colored"]


def check(message: Any, sent: dict[int, str], size: tuple[int, int], answers: Counter[str]) -> int | None:
    """Assert that a message is no error and, if an image, of this session; return its request."""
    assert message.type != "error", message.body
    answers[message.type] += 1
    if message.type == "colored":
        assert message.body["quality"] == sent[message.body["re"]]
        with Image.open(io.BytesIO(message.buffers[0])) as image:
            assert image.size == size
    number: int | None = message.body.get("re")
    return number
