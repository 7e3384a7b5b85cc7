"""The cases: each a directory with a Dockerfile, which both builders build.

``fixtures/differential/<case>/`` are small ones, laid over the shared context; ``fixtures/corpus/<case>/`` are whole
projects, and their own context. Comments in the Dockerfile say what is particular about a case:

``# build: WORDS``
    words to add to both command lines; ``{context}`` and the like in them are the workshop's places
``# fails: CODE``
    both must fail, minibuild with this exit code
``# refuses: CODE: WHY``
    minibuild must fail with this exit code, and Docker build it
``# only here: WHY``
    the daemon's BuildKit can't: it builds ``Dockerfile.docker``, which means the same (histories aren't compared), or
    where there is none, nothing
``# differs: PATHS: WHY``
    what stands at these paths of the image is not compared

Every WHY stands in ``differences.md``. Everything in the directory, the Dockerfile too, is in the context.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.differential.context import settle

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
_REMARK = re.compile(r"^# (build|fails|refuses|only here|differs): (.+)$", re.MULTILINE)
_SYNTAX = re.compile(r"^# *syntax *=.*", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """A Dockerfile and what its remarks say.

    ``exit_code`` is minibuild's, ``is_refused`` tells whether it alone fails, ``differing`` are paths without ``/``,
    ``reasons`` are the WHYs.
    """

    directory: Path
    arguments: tuple[str, ...]
    exit_code: int
    is_refused: bool
    is_only_here: bool
    differing: frozenset[str]
    reasons: frozenset[str]

    @classmethod
    def read(cls, directory: Path) -> Case:
        """The case that a directory is."""
        remarks = _REMARK.findall((directory / "Dockerfile").read_text())
        differing = {text.partition(": ")[::2] for key, text in remarks if key == "differs"}
        only_here = {text for key, text in remarks if key == "only here"}
        refused = {text.partition(": ")[::2] for key, text in remarks if key == "refuses"}
        codes = [text for key, text in remarks if key == "fails"] + [code for code, _ in refused]
        return cls(
            directory=directory,
            arguments=tuple(word for key, text in remarks if key == "build" for word in text.split()),
            exit_code=int(next(iter(codes), 0)),
            is_refused=bool(refused),
            is_only_here=bool(only_here),
            differing=frozenset(path.removeprefix("/") for paths, _ in differing for path in paths.split()),
            reasons=frozenset(only_here | {reason for _, reason in differing | refused}),
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
    def is_for_docker(self) -> bool:
        """Whether Docker builds it too, or what means the same."""
        return not self.is_only_here or (self.directory / "Dockerfile.docker").exists()

    def words(self, places: Mapping[str, str]) -> list[str]:
        """What both command lines say about it."""
        return [re.sub(r"\{(\w+)\}", lambda found: places[found[1]], word) for word in self.arguments]

    def lay_out(self, root: Path, shared: Path | None = None) -> None:
        """Makes its context: its own files, on top of a copy of the shared one if it has one."""
        if shared is not None:
            subprocess.run(["cp", "-a", shared, root], check=True)
        shutil.copytree(self.directory, root, dirs_exist_ok=True)
        settle(root)

    def docker_dockerfile(self, root: Path, beside: Path) -> Path:
        """The Dockerfile that Docker builds in that context.

        Without the first line if that is ``# syntax``: Docker would download what it names. It is then in a file of
        its own outside the context.
        """
        dockerfile = root / ("Dockerfile.docker" if self.is_only_here else "Dockerfile")
        text = dockerfile.read_text(encoding="utf-8", errors="surrogateescape")
        if not _SYNTAX.match(text):
            return dockerfile
        beside.write_text(_SYNTAX.sub("#", text), encoding="utf-8", errors="surrogateescape")
        return beside


CASES = tuple(Case.read(path.parent) for path in sorted(FIXTURES.glob("differential/*/Dockerfile")))
SAMPLES = ("node-supervisord", "node-supervisord-json")
CORPUS = tuple(
    Case.read(directory)
    for directory in (
        *(path.parent for path in sorted(FIXTURES.glob("corpus/*/Dockerfile"))),
        *(FIXTURES / sample for sample in SAMPLES),
    )
)
