"""Who may talk to the server: checks of host, origin and token before any route, and headers after it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colorzoo.studio.listen import is_loopback, is_number, own_names

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_PAGES = {"ws": "http", "wss": "https"}  # the scheme of the page that opens a websocket


@dataclass(frozen=True)
class Access:
    """Who is let in.

    Attributes:
        host: Where the server listens.
        token: What every request to the API must bring; None on loopback.
        names: Further names under which the server may be opened.
    """

    host: str
    token: str | None = None
    names: tuple[str, ...] = ()

    def refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._knows((urlsplit(f"//{host}").hostname or "").lower()):
            if is_loopback(self.host):
                return "this server is for this machine alone; open the address that it printed"
            return "this server is not known by that name; open the address that it printed, or --allow-host"
        origin = headers.get("origin")
        if origin is not None and not _is_own(origin, host, scope["scheme"]):
            return "another site may not use this server"
        if self.token is not None and scope["path"].startswith("/api"):
            given = QueryParams(scope.get("query_string", b"")).get("token", "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return "the token is missing or wrong; open the whole address that the server printed"
        return None

    def _knows(self, name: str) -> bool:
        """Whether a name can mean this server: a stranger's name may lead here too (DNS rebinding)."""
        if is_loopback(name) or name in self.names:
            return True
        if is_loopback(self.host):
            return False
        return is_number(name) or name == self.host.lower() or name in own_names()


def _is_own(origin: str, host: str, scheme: str) -> bool:
    """Whether a page of that origin is this server's; behind TLS the proxy says so (X-Forwarded-Proto)."""
    page = urlsplit(origin)
    return page.netloc == host and page.scheme == _PAGES.get(scheme, scheme)


class Guard:
    """Middleware that refuses who may not come in, and adds the security headers.

    Args:
        app: What it protects.
        access: Who is let in.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._access.refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before accept: becomes 403
        else:
            error = JSONResponse({"error": {"code": "refused", "message": refusal}}, 403)
            await error(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sender
