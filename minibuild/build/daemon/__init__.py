"""RUN in a docker daemon, for where nothing can be run here: on macOS, or where only a daemon's socket is at hand.

Trees are not on disk then. A chain is an image that the daemon has for as long as the build lasts (``session``), a RUN
is a container of it (``container``), what it has mounted is brought by the daemon's interface alone, since the daemon
may be on another machine (``furnishing``), and its layer is made of what the daemon says has changed (``difference``).
``clearing`` sees to it that nothing is left there. Podman's service, which speaks the same language, serves as well,
but for what it puts into trees itself: ``/etc/passwd`` and ``/etc/group`` where there are none.
"""

NAME = "docker"
"""What ``--runtime`` calls it."""
