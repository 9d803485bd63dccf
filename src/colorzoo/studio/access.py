"""Access control of the server: host, origin and token checks before any route, security headers after."""

from __future__ import annotations

import hmac
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address may contain the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}  # scheme of the page that opens a websocket


@dataclass(frozen=True)
class Access:
    """Access rules of a server.

    Attributes:
        host: Address on which the server listens.
        token: Token that every API request must carry; None on loopback.
        names: Further host names under which the server may be opened.
    """

    host: str
    token: str | None = None
    names: tuple[str, ...] = ()

    def refusal(self, scope: Scope) -> str | None:
        """Return the reason for refusing a request, or None to allow it."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._accepts_host((urlsplit(f"//{host}").hostname or "").lower()):
            if is_loopback(self.host):
                return "this server is for this machine alone; open the address that it printed"
            return "this server is not known by that name; open the address that it printed, or --allow-host"
        origin = headers.get("origin")
        if origin is not None:
            page = urlsplit(origin)  # behind TLS, the proxy gives the scheme by X-Forwarded-Proto
            if page.netloc != host or page.scheme != _PAGE_SCHEMES.get(scope["scheme"], scope["scheme"]):
                return "another site may not use this server"
        if self.token is not None and scope["path"].startswith("/api"):
            given = QueryParams(scope.get("query_string", b"")).get("token", "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return "the token is missing or wrong; open the whole address that the server printed"
        return None

    def _accepts_host(self, name: str) -> bool:
        """Accept only names of this server: any name may resolve to its address (DNS rebinding)."""
        if is_loopback(name) or name in self.names:
            return True
        if is_loopback(self.host):
            return False
        machine = socket.gethostname().lower()
        local_names = {self.host.lower(), machine, f"{machine.partition('.')[0]}.local"}
        return is_ip_address(name) or name in local_names


class AccessMiddleware:
    """ASGI middleware that refuses requests by the access rules and adds security headers.

    Args:
        app: The application to protect.
        access: The access rules.
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


def is_loopback(host: str) -> bool:
    """Return whether a host is reachable from this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_ip_address(host: str) -> bool:
    """Return whether a host is an IP address rather than a name."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
