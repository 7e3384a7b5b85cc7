"""The cases: each a directory ``fixtures/differential/<case>/`` with a Dockerfile, built upon the shared context.

Comments in the Dockerfile say what is particular about a case:

``# build: WORDS``
    words to add to both command lines
``# fails: CODE``
    both must fail, minibuild with this exit code
``# only here: WHY``
    the daemon's BuildKit can't: it builds ``Dockerfile.docker``, which means the same; histories aren't compared
``# differs: PATHS: WHY``
    what stands at these paths of the image is not compared

Everything in the directory, the Dockerfile too, is laid over the context.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.differential.context import settle

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "differential"
_REMARK = re.compile(r"^# (build|fails|only here|differs): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """A Dockerfile and what its remarks say; ``exit_code`` is minibuild's, ``differing`` are paths without ``/``."""

    directory: Path
    arguments: tuple[str, ...]
    exit_code: int
    is_only_here: bool
    differing: frozenset[str]

    @classmethod
    def read(cls, directory: Path) -> Case:
        """The case that a directory is."""
        remarks = _REMARK.findall((directory / "Dockerfile").read_text())
        differing = " ".join(text.partition(": ")[0] for key, text in remarks if key == "differs")
        return cls(
            directory=directory,
            arguments=tuple(word for key, text in remarks if key == "build" for word in text.split()),
            exit_code=next((int(text) for key, text in remarks if key == "fails"), 0),
            is_only_here=any(key == "only here" for key, _ in remarks),
            differing=frozenset(path.removeprefix("/") for path in differing.split()),
        )

    @property
    def name(self) -> str:
        """What the case is about."""
        return self.directory.name

    @property
    def tag(self) -> str:
        """What its image is called."""
        return f"case-{self.name}:1"

    @property
    def docker_dockerfile(self) -> str:
        """The Dockerfile that Docker builds, in the context."""
        return "Dockerfile.docker" if self.is_only_here else "Dockerfile"

    def lay_out(self, shared: Path, root: Path) -> None:
        """Makes its context: a copy of the shared one with its own files on top."""
        subprocess.run(["cp", "-a", shared, root], check=True)
        shutil.copytree(self.directory, root, dirs_exist_ok=True)
        settle(root)


CASES = tuple(Case.read(path.parent) for path in sorted(FIXTURES.glob("*/Dockerfile")))
