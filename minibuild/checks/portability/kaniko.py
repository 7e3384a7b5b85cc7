"""kaniko: Google's, archived in 2025, and the fork that goes on (osscontainertools).

Both read by BuildKit's parser and pass over what they don't do. Sources: their code, the fork's list of feature flags.
"""

from __future__ import annotations

from minibuild.checks.portability.rows import Row

_UNCHECKED = "what was downloaded is taken whatever it holds"
_ALL_COPIED = "the files are copied all the same"
_LEFT_OUT = "write the files into .dockerignore, or copy by name"

ROWS = (
    Row("ADD --checksum", "dropped", _UNCHECKED, "check it in a RUN: echo '<sum>  <file>' | sha256sum -c"),
    Row("ADD --chmod with letters", "refused", "only octal modes are read", "write an octal mode, such as --chmod=755"),
    Row("ADD --exclude", "dropped", _ALL_COPIED, _LEFT_OUT),
    Row("ADD --link", "dropped", "symlinks in the destination are followed", "leave --link out"),
    Row("ARG over ENV", "different", "the value of ENV wins", "give the two different names"),
    Row(
        "COPY --chmod with letters", "refused", "only octal modes are read", "write an octal mode, such as --chmod=755"
    ),
    Row("COPY --exclude", "dropped", _ALL_COPIED, _LEFT_OUT),
    Row("COPY --link", "dropped", "symlinks in the destination are followed", "leave --link out"),
    Row(
        "COPY --parents",
        "dropped",
        "the files land in the destination itself, without their directories",
        "name each destination",
    ),
    Row(
        "RUN --mount=type=bind,from=…",
        "different",
        "only the build context can be bound",
        "copy the files by COPY --from",
    ),
    Row(
        "RUN --mount=type=ssh",
        "dropped",
        "a warning is all there is, and no agent answers",
        "use a token by --mount=type=secret",
    ),
    Row("RUN --mount=type=tmpfs", "dropped", "what is written there stays in the layer", "delete it in the same RUN"),
    Row("RUN --network", "dropped", "the command has the network that kaniko has"),
    Row("RUN --security", "dropped", "the command may do what kaniko may"),
    Row(
        "here-documents",
        "different",
        "Google's leaves their lines out, its fork before 1.29 keeps the variables of COPY and ADD as they are",
        "copy a file from the context",
    ),
    Row(
        "here-documents of RUN with a quoted name",
        "dropped",
        "the command is passed over and the build succeeds",
        "leave the quotes out, and write \\$ for a variable of the shell",
    ),
)
