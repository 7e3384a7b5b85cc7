"""Removes what a build has in a daemon; as a process, when the build was killed that started it.

Its standard input is a pipe from the build: a byte there means that all is well, its end that nobody else clears up.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "minibuild.session"
# What the daemon was asked for a moment before may come to be when we have looked.
_LOOKS, _PAUSE_S = 3, 1.0


def clear(client: DockerClient, session: str) -> None:
    """Removes all containers, images and volumes of a session; what is gone already is fine."""
    from docker.errors import NotFound

    api: Any = client.api  # its types are half told
    selection = {"label": f"{LABEL}={session}"}
    for container in api.containers(all=True, filters=selection):
        with suppress(NotFound):
            api.remove_container(container["Id"], force=True, v=True)
    for image in api.images(all=True, filters=selection):
        with suppress(NotFound):
            api.remove_image(image["Id"], force=True, noprune=True)
    for volume in api.volumes(filters=selection)["Volumes"] or ():
        with suppress(NotFound):
            api.remove_volume(volume["Name"], force=True)


def main() -> None:
    """Waits for the build's end."""
    if sys.stdin.buffer.read(1):
        return
    from minibuild.transports.docker_daemon import connection

    for _ in range(_LOOKS):
        with connection(os.environ) as client:
            clear(client, sys.argv[1])
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
