"""Access log and Prometheus metrics of the HTTP service."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colorzoo.errors import ColorzooError

_CLOSED = 499  # status of nginx if the client disconnects before the response
_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # seconds


def access_log(target: str) -> logging.Logger:
    """Return a log that appends to a file, also after its rotation, or writes to standard output (``-``)."""
    log = logging.Logger("colorzoo.access")  # not registered, so that no other handler prints the lines
    try:
        log.addHandler(logging.StreamHandler(sys.stdout) if target == "-" else WatchedFileHandler(target))
    except OSError as error:
        raise ColorzooError(f"--log {target} cannot be opened: {error.strerror}") from error
    return log


class RequestMonitor:
    """ASGI middleware that counts, measures and logs requests.

    The log contains no queries, headers or bodies, because they can contain the token or images. Metrics
    contain only the paths of ``routes``, because clients can request any number of paths.
    """

    def __init__(
        self, app: ASGIApp, registry: CollectorRegistry, routes: Collection[str], log: logging.Logger | None
    ) -> None:
        self._app, self._routes, self._log = app, routes, log
        self._requests = Counter("colorzoo_requests", "Requests.", ("route", "status"), registry=registry)
        self._seconds = Histogram(
            "colorzoo_request_seconds", "Durations.", ("route",), registry=registry, buckets=_BUCKETS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and record its status, the size of the response and the duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, size = time.perf_counter(), _CLOSED, 0

        async def recorded_send(message: Message) -> None:
            nonlocal status, size
            await send(message)
            status = message.get("status", status)
            size += len(message.get("body", b""))

        try:
            await self._app(scope, receive, recorded_send)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - start
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            route = path if path in self._routes else "other"
            self._requests.labels(route, status).inc()
            self._seconds.labels(route).observe(seconds)
            if self._log is not None:
                line: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
                line |= {"client": (scope["client"] or [""])[0], "method": scope["method"], "path": path}
                line |= {"status": status, "bytes": size, "seconds": round(seconds, 3)}
                self._log.info(json.dumps(line))
