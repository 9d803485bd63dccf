"""Where the studio listens: a port, the address that others can open, and its QR code."""

from __future__ import annotations

import io
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from colorzoo.errors import ColorzooError

FIRST_PORT = 8765  # fixed, since a browser keeps its autosave by address
_PORTS = 10
_ANYWHERE = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}
#: Addresses of documentation: a route to them is looked up, nothing is sent.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


@dataclass(frozen=True)
class Address:
    """Where the studio listens.

    Attributes:
        host: Host name or IP address.
        port: Port, or None for the first free one from `FIRST_PORT`.
        names: Further names under which it may be opened, as those of a proxy before it.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    names: tuple[str, ...] = ()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_number(host: str) -> bool:
    """Whether a host is an IP address, and no name that a stranger may have bound to this machine."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def own_names() -> frozenset[str]:
    """Return the names by which a home network knows this machine."""
    name = socket.gethostname().lower()
    return frozenset({name, f"{name.partition('.')[0]}.local"})


def bind(address: Address) -> socket.socket:
    """Return a socket that is bound to the address, not yet listening.

    Raises:
        ColorzooError: The address cannot be used.
    """
    first = FIRST_PORT if address.port is None else address.port
    last = first + _PORTS if address.port is None else first + 1
    reason: OSError | None = None
    for port in range(first, last):
        try:
            return _bound(address.host, port)
        except (OSError, OverflowError) as error:
            reason = error if isinstance(error, OSError) else OSError(str(error))
    what = getattr(reason, "strerror", None) or reason
    raise ColorzooError(f"cannot listen on {address.host}, port {first}: {what}; try another --port")


def url_of(host: str, port: int, token: str | None) -> str:
    """Return the address to open, by number where any address of this machine is listened on."""
    shown = _outward(_ANYWHERE[host]) if host in _ANYWHERE else host
    shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def qr_code(url: str) -> str:
    """Return an address as lines of a terminal that a camera can read."""
    import segno  # of the extra `studio`, and of use here only

    lines = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(lines, compact=True)
    return lines.getvalue()


def _outward(family: socket.AddressFamily) -> str:
    """Return the number of this machine in its network; its name, if it has no way out."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
    except OSError:
        listener.close()
        raise
    return listener
