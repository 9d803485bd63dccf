"""A server of the pad that is killed and started again by words on its input: ``start`` and ``kill``.

Usage: ``python forking_server.py FOLDER PORT``. Each word is repeated on the output once it is done.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pads import tiny_studio

from colorzoo.studio import server
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.saved_sessions import SavedSessions
from colorzoo.studio.server import Address, run_server

server.secrets.token_urlsafe = lambda _: "fixed"  # so that the page reconnects to a new server


def serve(folder: Path, port: int) -> None:
    with run_server(
        StudioLoader.loaded(tiny_studio(saved_sessions=SavedSessions(folder))), Address(port=port)
    ):
        while True:
            time.sleep(3600)


def wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the server did not start")


folder, port = Path(sys.argv[1]), int(sys.argv[2])
child = 0
for line in sys.stdin:
    if line.strip() == "start":
        child = os.fork()
        if not child:
            serve(folder, port)
        wait_for(port)
    elif child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        child = 0
    print(line.strip(), flush=True)
