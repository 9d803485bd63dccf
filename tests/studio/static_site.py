"""A static web server for tests, which records requests and can be stopped."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Site:
    """What is served.

    Attributes:
        url: Its address.
        asked: Paths in the order in which they were asked for, by whatever method.
        checks: Of the browser's own, whether the service worker that it has is still the one of the host.
        sent: Bytes of the answers.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    checks: int = 0
    sent: int = 0

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Count a request."""
        if path in self.asked and is_update_check(method, path, headers):
            self.checks += 1
        else:
            self.asked.append(path)


def is_update_check(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Say whether a browser looks for a newer service worker, as it does some seconds after a start.

    No script can ask so in its place, since none may set `Sec-Fetch-Dest`, and a page could have put nothing
    into it: there is no query, cookie or body.
    """
    carries = any(name in headers for name in ("Cookie", "Content-Length", "Transfer-Encoding"))
    asked = (method, path, headers.get("Sec-Fetch-Dest"))
    return asked == ("GET", "/sw.js", "serviceworker") and not carries


@contextmanager
def serving(folder: Path, headers: dict[str, str] | None = None) -> Iterator[Site]:
    """Serve a folder on a free port, with further headers."""
    site = Site("")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, directory=str(folder), **options)

        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def parse_request(self) -> bool:
            sound = super().parse_request()
            if sound:  # whether or not this host knows the method
                site.note(self.command, self.path, self.headers)
            return sound

        def send_head(self) -> Any:
            file = Path(self.translate_path(self.path))
            site.sent += (file / "index.html" if file.is_dir() else file).stat().st_size
            return super().send_head()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
