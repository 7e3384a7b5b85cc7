"""``minibuild`` on the command line, and ``python -m minibuild``."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the command line that the process was started with and answers its exit code."""
    from minibuild.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
