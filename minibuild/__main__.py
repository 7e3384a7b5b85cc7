"""``minibuild`` on the command line, and ``python -m minibuild``."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Runs the command line that the process was started with and answers its exit code."""
    if sys.argv[1:] == ["--version"]:
        # Asked at the start of many scripts: answered before argparse or dataclasses are imported.
        from minibuild.version import __version__

        sys.stdout.write(f"minibuild {__version__}\n")
        return 0
    from minibuild.cli.main import run

    # Installed as /kaniko/executor, say, it is what stood there.
    executor = ["kaniko"] if sys.argv[0].rpartition("/")[2] == "executor" else []
    status = run([*executor, *sys.argv[1:]])
    # As it ends, Python looks through all objects for garbage: a tenth of the time of a build that has nothing to do.
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(main())
