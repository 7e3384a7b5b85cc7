"""Why builds of the same differ, as a rule: by the path of what does. Source: reproducible-builds.org/docs."""

from __future__ import annotations

import re

from minibuild.comparing.difference import CONTENT, MTIME, ORDER, PRESENCE, Difference

_COMPILED = (
    "compiled Python holds when its source was written: ARG SOURCE_DATE_EPOCH above that RUN has it hold a digest "
    "instead, ENV PYTHONDONTWRITEBYTECODE=1 (pip: --no-compile) leaves it out"
)
_OF_APT = (
    "what apt fetched and kept differs from day to day: "
    "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old in the same RUN"
)
# The first that fits counts.
_BY_PATH = tuple(
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        (r"\.pyc$", _COMPILED),
        (r"^var/log/", "logs tell the time: delete them in the RUN that writes them, rm -rf /var/log/*"),
        (
            r"^var/cache/ldconfig/",
            "ldconfig's cache holds times and inode numbers: rm -f /var/cache/ldconfig/aux-cache",
        ),
        (r"^var/(lib/apt/lists|cache/apt|cache/debconf|lib/dpkg/[^/]*-old$)", _OF_APT),
        (r"^(var/lib/apk|etc/apk|lib/apk)/", "apk's database is a log of what was installed when: apk --no-cache"),
        (r"^etc/shadow-?$", "shadow has the day of the last change: ARG SOURCE_DATE_EPOCH above the RUN sets it"),
        (r"(^|/)machine-id$", "a machine's ID is random: empty the file in the same RUN, containers get their own"),
        (r"^etc/ssh/ssh_host_", "host keys are random, and must not be in an image: make them when a container starts"),
        (r"\.gz$", "gzip writes down the time: gzip -n doesn't"),
        (
            r"\.(zip|jar|war|whl|egg)$",
            "zip archives hold their files' times: ARG SOURCE_DATE_EPOCH, or strip-nondeterminism",
        ),
        (r"\.(tar|tgz)$", "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner gives the same archive"),
        (r"\.a$", "ar without D writes down times and owners: ARFLAGS=rcsD"),
        (
            r"(^|/)(\.cache|_cacache|_logs|\.npm|\.gradle|\.m2)(/|$)",
            "a tool's cache isn't for an image: RUN --mount=type=cache,target=… keeps it out",
        ),
        (
            r"^(var/)?tmp/",
            "temporary files are left: delete them in the same RUN, or RUN --mount=type=tmpfs,target=/tmp",
        ),
    )
)
_BY_FIELD = {
    MTIME: "files are dated by the clock, or by who checked them out: SOURCE_DATE_EPOCH and "
    "-o …,rewrite-timestamp=true (verify: --rewrite-timestamp) cut that down",
    CONTENT: "it holds a time, something random, what is read in no order, or what was fetched; ARG SOURCE_DATE_EPOCH "
    "above the RUN tells commands which time to take",
    PRESENCE: "its name holds a time, something random or a process's number, or it comes from somewhere else",
    ORDER: "the entries are the same: some other program has packed them",
}


def usual_cause(difference: Difference) -> str:
    """A remedy for what most often makes such a thing differ, in a sentence; "" where nothing is known."""
    if difference.field in (CONTENT, PRESENCE, "size"):
        for pattern, remedy in _BY_PATH:
            if pattern.search(difference.subject):
                return remedy
    return _BY_FIELD.get(difference.field, "")
