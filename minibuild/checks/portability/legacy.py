"""Docker's classic builder, without BuildKit: ``DOCKER_BUILDKIT=0``, and docker before 23.0 unless asked otherwise.

Sources: moby, builder/dockerfile; what docker 20.10 did (``tests/end_to_end/test_portability.py``).
"""

from __future__ import annotations

from minibuild.checks.portability.rows import Row

_FLAG = "the flag is BuildKit's"
_PLATFORM = "the variable is not set, so it is empty"

ROWS = (
    Row("<Dockerfile>.dockerignore", "dropped", "only .dockerignore is read, so other files are in the context"),
    Row("ADD --checksum", "refused", _FLAG),
    Row("ADD --chmod", "refused", _FLAG, "change modes in the RUN that needs them"),
    Row("ADD --exclude", "refused", _FLAG),
    Row("ADD --keep-git-dir", "refused", _FLAG),
    Row("ADD --link", "refused", _FLAG),
    Row("ADD --unpack", "refused", _FLAG),
    Row("ADD of a repository", "different", "the address is downloaded as a file", "clone it in a RUN"),
    Row("ARG over ENV", "different", "the value of ENV wins", "give the two different names"),
    Row("COPY --chmod", "refused", _FLAG, "change modes in the RUN that needs them"),
    Row("COPY --exclude", "refused", _FLAG),
    Row("COPY --link", "refused", _FLAG),
    Row("COPY --parents", "refused", _FLAG),
    Row("FROM --platform by a variable of the platform", "refused", _PLATFORM, "leave the flag out"),
    Row("RUN --mount", "refused", _FLAG),
    Row("RUN --network", "refused", _FLAG),
    Row("RUN --security", "refused", _FLAG),
    Row("RUN below a VOLUME", "dropped", "what it changes there is not in the image", "say VOLUME below it"),
    Row("WORKDIR under USER", "different", "the directory that it makes is root's", "make it by mkdir in a RUN"),
    Row("a stage that the target doesn't need", "different", "it is built too", "build with --target of a part"),
    Row("a variable of the platform", "different", _PLATFORM, "give it a default, or a value by --build-arg"),
    Row(
        "here-documents",
        "refused",
        "they are BuildKit's, and 20.10 takes their lines for instructions",
        "copy a file from the context",
    ),
)
