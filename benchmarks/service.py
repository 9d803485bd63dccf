"""``colorzoo serve`` under load: 4 clients send 100 photos of one megapixel, or ``--images``.

The throughput is compared with ``colorzoo colorize --jobs 2``, both without the time to start.
"""

from __future__ import annotations

import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks._common import Options, Row, SkippedError, evenly_spaced, share_of, where

IMAGES, CLIENTS, SIDE, WARMUP, ROUNDS = 100, 4, 1000, 8, 2
GOAL_THROUGHPUT, GOAL_MEMORY = 0.9, 1.05
TOKEN = "benchmark"


def run(options: Options) -> list[Row]:
    """Color the same photos with both programs alternately."""
    count = options.images or IMAGES
    with tempfile.TemporaryDirectory() as name, server() as (process, url):
        photos = write_photos(Path(name), options.data, count)
        start = colorize(photos[:1])  # seconds and CPU seconds of one photo
        send_all(url, photos[:WARMUP])
        first = peak = resident_bytes(process.pid)
        ours, theirs = np.zeros(2), np.zeros(2)
        results: list[bytes] = []
        for half in range(ROUNDS):
            chosen = photos[half::ROUNDS]
            theirs += (colorize(chosen) - start) * len(chosen) / (len(chosen) - 1)
            before = np.array([time.perf_counter(), cpu_seconds(process.pid)])
            results += send_all(url, chosen)
            ours += np.array([time.perf_counter(), cpu_seconds(process.pid)]) - before
            peak = max(peak, resident_bytes(process.pid))
        failures = [is_colored(result) for result in results].count(False)
    title = f"colorzoo serve, {count} photos of 1 megapixel, {CLIENTS} clients"
    speed, expected = count / ours[0], count / theirs[0]
    claim = f"{title}: images per second, against colorize --jobs 2"
    return [
        Row(claim, speed, expected, speed / expected, GOAL_THROUGHPUT, "higher", where()),
        share_of(
            f"{title}: CPU seconds per image, against colorize --jobs 2",
            ours[1] / count,
            theirs[1] / count,
            1 / GOAL_THROUGHPUT,
            where(),
        ),
        share_of(
            f"{title}: resident memory in MB, against the memory after {WARMUP} photos",
            peak / 1e6,
            first / 1e6,
            GOAL_MEMORY,
            where(),
        ),
        share_of(f"{title}: failed requests, against the number of requests", failures, count, 0.0, where()),
    ]


def write_photos(folder: Path, data: Path | None, count: int) -> list[Path]:
    """Write gray JPEG files of one megapixel."""
    sources = evenly_spaced(data, count)
    paths = [folder / f"{index:03}.jpg" for index in range(count)]
    for index, path in enumerate(paths):
        with Image.open(io.BytesIO(sources[index % len(sources)].read())) as image:
            gray = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        gray.save(path, quality=92)
    return paths


def is_colored(result: bytes) -> bool:
    """Return whether a response is a color image of the right size."""
    if not result:
        return False
    with Image.open(io.BytesIO(result)) as image:
        return image.size == (SIDE, SIDE) and bool(np.ptp(np.asarray(image), axis=-1).any())


def colorize(photos: list[Path]) -> NDArray[np.float64]:
    """Return the seconds and CPU seconds of ``colorzoo colorize --jobs 2``."""
    start = time.perf_counter(), *resource.getrusage(resource.RUSAGE_CHILDREN)[:2]
    with tempfile.TemporaryDirectory() as out:
        words = ["colorize", *map(str, photos), "-o", out, "--jobs", "2"]
        subprocess.run([sys.executable, "-m", "colorzoo", *words], check=True, capture_output=True)
    end = time.perf_counter(), *resource.getrusage(resource.RUSAGE_CHILDREN)[:2]
    spent = np.array(end) - np.array(start)
    return np.array([spent[0], spent[1:].sum()])


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``colorzoo serve`` in a separate process; yield the process and its address."""
    command = [sys.executable, "-m", "colorzoo", "serve", "--port", "0", "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SkippedError("the server did not start")
        try:
            yield process, found[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def send_all(url: str, photos: list[Path]) -> list[bytes]:
    """Send photos by `CLIENTS` clients; return the responses, which are empty after a failure."""

    def send(photo: Path) -> bytes:
        head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n\r\n'
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/form-data; boundary=b"}
        body = head + photo.read_bytes() + b"\r\n--b--\r\n"
        try:
            with urlopen(Request(f"{url}/colorize", body, headers), timeout=600) as reply:
                return bytes(reply.read())
        except OSError:
            return b""

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(send, photos))


def resident_bytes(process: int) -> int:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


def cpu_seconds(process: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
