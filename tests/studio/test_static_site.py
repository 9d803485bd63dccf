"""The web server of the browser tests records all requests."""

import http.client
from pathlib import Path

import pytest
from static_site import serving

CHECK = {"Sec-Fetch-Dest": "serviceworker"}


def ask(url: str, method: str, path: str, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://").strip("/"))
    connection.request(method, path, headers=headers)
    connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "headers", "counted"),
    [
        ("GET", "/sw.js", CHECK, False),
        ("GET", "/sw.js", {}, True),
        ("GET", "/sw.js?photo=1", CHECK, True),
        ("GET", "/sw.js", CHECK | {"Cookie": "photo=1"}, True),
        ("POST", "/sw.js", CHECK, True),
        ("GET", "/other.js", CHECK, True),
        ("PUT", "/photo", {}, True),
    ],
)
def test_only_update_checks_of_the_service_worker_are_not_counted(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], counted: bool
) -> None:
    (tmp_path / "sw.js").write_text("")
    (tmp_path / "other.js").write_text("")
    with serving(tmp_path) as site:
        ask(site.url, "GET", "/sw.js", CHECK)  # the first one installs it
        ask(site.url, method, path, headers)
    assert site.asked == ["/sw.js", *([path] if counted else [])]
    assert site.checks == 1 - counted
