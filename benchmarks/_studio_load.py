"""Many pads at once on one server, each with a photo of its own size, so that a mixed-up answer shows."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import websockets
from PIL import Image

from colorzoo.studio.messages import Message, pack, unpack

_FAREST = 0.9


@dataclass
class Report:
    """What the sessions saw.

    Attributes:
        answers: Pictures that each session got.
        dropped: Requests that a newer one replaced.
        wrong: Answers that belonged to another session or request.
        errors: What went wrong, in words.
        latencies: Seconds from request to picture.
    """

    answers: dict[int, int] = field(default_factory=dict)
    dropped: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


async def run_sessions(url: str, *, sessions: int, seconds: float) -> Report:
    """Let ``sessions`` pads draw for a while.

    Args:
        url: Address of the server, as it prints it.
        sessions: How many at once.
        seconds: For how long.
    """
    report = Report()
    ready = asyncio.Barrier(sessions)
    results = await asyncio.gather(
        *(_draw(url, number, seconds, ready, report) for number in range(sessions)), return_exceptions=True
    )
    report.errors += [repr(result) for result in results if isinstance(result, BaseException)]
    return report


async def _draw(url: str, number: int, seconds: float, ready: asyncio.Barrier, report: Report) -> None:
    """One person: opens a photo, waits for the others, then drags and releases points."""
    size = (160 + 8 * number, 120 + 8 * number)
    parts = urlsplit(url)
    draws = random.Random(number)
    report.answers[number] = 0
    async with websockets.connect(f"ws://{parts.netloc}/api/ws", max_size=None) as socket:
        hello = json.loads(await socket.recv())
        assert hello["type"] == "hello"
        await socket.send(
            pack(Message({"type": "open", "id": 1, "name": f"{number}.png"}, (_photo(size, number),)))
        )
        photo = await _answer(socket, 1)
        if (photo.body["width"], photo.body["height"]) != size:
            report.wrong += 1
        await ready.wait()
        end = time.monotonic() + seconds
        request, sent = 1, {}
        while time.monotonic() < end:
            request += 1
            x, y = draws.random() * _FAREST * size[0], draws.random() * _FAREST * size[1]
            recipe = {"image": photo.body["image"], "points": [{"x": x, "y": y, "color": "#c04020"}]}
            quality = "final" if request % 4 == 0 else "drag"
            body = {"type": "color", "id": request, "recipe": recipe, "quality": quality}
            sent[request] = (time.monotonic(), recipe, quality)
            await socket.send(pack(Message(body)))
            await _listen(socket, draws.uniform(0.01, 0.08), sent, size, number, report)
        await _listen(socket, 20, sent, size, number, report, until=request)


async def _listen(
    socket: Any,
    seconds: float,
    sent: dict[int, Any],
    size: tuple[int, int],
    number: int,
    report: Report,
    until: int = 0,
) -> None:
    """Take answers for a while, or until the one of request ``until``, and judge them."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                message = unpack(await socket.recv())
                _judge(message, sent, size, number, report)
                if until and message.body.get("re") == until:
                    return


def _judge(
    message: Message, sent: dict[int, Any], size: tuple[int, int], number: int, report: Report
) -> None:
    if message.type == "error":
        report.errors.append(message.body["message"])
    elif message.type == "dropped":
        report.dropped += 1
    elif message.type == "colored":
        started, recipe, quality = sent.get(message.body["re"], (0.0, None, None))
        with Image.open(io.BytesIO(message.buffers[0])) as image:
            fits = image.size == size
        expected = (recipe is not None, message.body["quality"] == quality, fits)
        report.wrong += not all(expected)
        report.answers[number] += 1
        report.latencies.append(time.monotonic() - started)


async def _answer(socket: Any, request: int) -> Message:
    while (message := unpack(await socket.recv())).body.get("re") != request:
        pass
    if message.type == "error":
        raise RuntimeError(message.body["message"])
    return message


def _photo(size: tuple[int, int], seed: int) -> bytes:
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    gray = 128 + 90 * np.sin(columns / (9 + seed)) * np.cos(rows / 13)
    memory = io.BytesIO()
    Image.fromarray(gray.astype(np.uint8)).save(memory, "PNG")
    return memory.getvalue()
