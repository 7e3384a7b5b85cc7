"""podman and buildah, and their parser imagebuilder. Sources: their code, and what Debian 12's podman 4.3
did (``tests/end_to_end/test_portability.py``).
"""

from __future__ import annotations

from minibuild.checks.portability.rows import Row

_OLDER = "versions like Debian 12's 4.3 don't know it"
_NO_LINK = "it changes nothing, and versions like Debian 12's 4.3 refuse it"
_OCI = "an image in OCI format has no place for it, and that is podman's default"
_DOCKER = "build with --format docker"
_PARAMETER = "its parser wants a colon before - and +"

ROWS = (
    Row("ADD --checksum", "refused", _OLDER, "check it in a RUN: echo '<sum>  <file>' | sha256sum -c"),
    Row("ADD --chmod with letters", "refused", "only octal modes are read", "write an octal mode, such as --chmod=755"),
    Row("ADD --exclude", "refused", _OLDER, "write the files into .dockerignore"),
    Row("ADD --keep-git-dir", "refused", _OLDER),
    Row(
        "ADD --link",
        "dropped",
        "it changes nothing, and versions like Debian 12's 4.3 refuse it",
        "leave --link out",
    ),
    Row("ADD --unpack", "refused", _OLDER),
    Row("ARG over ENV", "different", "the value of ENV wins", "give the two different names"),
    Row(
        "COPY --chmod with letters", "refused", "only octal modes are read", "write an octal mode, such as --chmod=755"
    ),
    Row("COPY --exclude", "refused", _OLDER, "write the files into .dockerignore"),
    Row(
        "COPY --link",
        "dropped",
        "it changes nothing, and versions like Debian 12's 4.3 refuse it",
        "leave --link out",
    ),
    Row("COPY --parents", "refused", _OLDER, "name each destination"),
    Row("HEALTHCHECK", "dropped", _OCI, _DOCKER),
    Row("ONBUILD", "dropped", _OCI, _DOCKER),
    Row("RUN --mount=type=secret,env=…", "refused", _OLDER, "read the secret's file: /run/secrets/ID"),
    Row("RUN --network", "refused", _OLDER),
    Row("RUN --security", "refused", "it has no such flag", "build with --cap-add or --security-opt"),
    Row(
        "SHELL",
        "dropped",
        f"{_OCI}; in versions like 4.3 even RUN keeps to /bin/sh -c",
        _DOCKER,
    ),
    Row(
        "a shell form of CMD or ENTRYPOINT under SHELL",
        "different",
        "it is run by /bin/sh -c",
        "write the exec form, the shell in it",
    ),
    Row("here-documents", "refused", "versions before 4.8 don't know them", "copy a file from the context"),
    Row("parameters in ${variable-word}", "refused", _PARAMETER, "write :- or :+, which ask for a value too"),
    Row("patterns in ${variable#pattern}", "refused", _OLDER, "say the part in an ARG"),
    Row("replacing in ${variable/pattern/text}", "refused", "its parser doesn't know it", "say the text in an ARG"),
)
