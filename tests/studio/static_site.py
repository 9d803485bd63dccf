"""A static host for tests: serves a folder, counts what it is asked for, and can go away."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Site:
    """What is served.

    Attributes:
        url: Its address.
        asked: Paths in the order in which they were asked for.
        sent: Bytes of the answers.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    sent: int = 0


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

        def send_head(self) -> Any:
            site.asked.append(self.path)
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
