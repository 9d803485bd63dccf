"""Access control of the server, and security headers of responses.

The server checks the host, the origin and the token of each request. As in Jupyter, the printed address
contains the token. The response to this address sets a cookie with the token, which the browser sends with
later requests. Scripts send the header ``Authorization: Bearer TOKEN`` instead.
"""

from __future__ import annotations

import hmac
import socket
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import HTTPConnection
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
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}  # scheme of the page for each scheme of a websocket


@dataclass(frozen=True)
class Access:
    """Access rules of a server.

    Attributes:
        host: Address on which the server listens.
        token: Secret that each request for data must contain.
        names: Host names that requests can use in addition to ``host``.
        guarded: Beginnings of the paths that require the token.
    """

    host: str
    token: str
    names: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ("/api", "/report")

    def refusal(self, scope: Scope) -> str | None:
        """Return the reason for refusing a request; None if the request is allowed.

        Args:
            scope: ASGI scope of the request.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "")  # with the port
        try:
            host_name = urlsplit(f"//{host}").hostname or ""
            origin = urlsplit(headers.get("origin", ""))
        except ValueError:  # for example, an IPv6 address without the closing bracket
            return "the Host or Origin header of the request is invalid; open the printed address"
        # the host name must belong to this server, which prevents DNS rebinding
        is_accepted = is_loopback(host_name) or host_name in self.names
        if not is_accepted and not is_loopback(self.host):
            machine = socket.gethostname().lower()
            local_names = {self.host.lower(), machine, f"{machine.partition('.')[0]}.local"}
            is_accepted = _ip_address(host_name) is not None or host_name in local_names
        if not is_accepted:
            if is_loopback(self.host):
                return "this server accepts only requests from its own machine; open the printed address"
            return "this host name is not allowed; open the printed address, or start with --allow-host NAME"
        # behind a TLS proxy, uvicorn sets the scheme from X-Forwarded-Proto, the scheme that the browser used
        scheme = _PAGE_SCHEMES.get(scope["scheme"], scope["scheme"])
        if "origin" in headers and (origin.scheme, origin.netloc) != (scheme, host):
            return "requests from other sites are not allowed"
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.startswith(self.guarded):
            cookie = HTTPConnection(scope).cookies.get(self.cookie_name, "")
            method, _, bearer = headers.get("authorization", "").partition(" ")
            is_bearer = method.lower() == "bearer" and self._equals_token(bearer.strip())
            if not (self._url_has_token(scope) or self._equals_token(cookie) or is_bearer):
                return (
                    "the token is missing or wrong; open the complete address that the server printed, or "
                    "send the header Authorization: Bearer TOKEN"
                )
        return None

    def token_cookie(self, scope: Scope) -> str | None:
        """Return the header ``Set-Cookie`` that stores the token; None if the request URL has no token."""
        if not self._url_has_token(scope):
            return None
        return f"{self.cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    @property
    def cookie_name(self) -> str:
        """Name of the cookie that stores the token; the name contains a hash of the token.

        Browsers share cookies between the ports of a host, so each server requires a different cookie name.
        """
        return f"colorzoo-{sha256(self.token.encode()).hexdigest()[:16]}"

    def _url_has_token(self, scope: Scope) -> bool:
        return self._equals_token(QueryParams(scope.get("query_string", b"")).get("token", ""))

    def _equals_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())


class AccessMiddleware:
    """ASGI middleware that enforces access rules and adds security headers to responses.

    Args:
        app: Application to protect.
        access: Access rules.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket, or refuse it with status 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._access.refusal(scope)
        if refusal is None:
            cookie = self._access.token_cookie(scope)
            await self._app(scope, receive, _with_headers(send, cookie))
        elif scope["type"] == "websocket":
            # closing before accepting gives the response 403
            await send({"type": "websocket.close", "code": 1008})
        else:
            error = JSONResponse({"error": {"code": "refused", "message": refusal}}, 403)
            await error(scope, receive, _with_headers(send))


def _with_headers(send: Send, cookie: str | None = None) -> Send:
    """Return a ``send`` function that adds the security headers and a cookie to the response."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if cookie:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return send_with_headers


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, which only this machine can reach."""
    address = _ip_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address of a host; None for a host name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None
