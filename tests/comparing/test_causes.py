"""What differs as a rule has a remedy, by its path or by its field."""

from __future__ import annotations

import pytest

from minibuild.comparing.causes import usual_cause
from minibuild.comparing.difference import Difference

REMEDIES = {
    "compiled Python": ("usr/lib/python3/a/__pycache__/b.cpython-311.pyc", "content", "PYTHONDONTWRITEBYTECODE"),
    "a log": ("var/log/apt/history.log", "content", "rm -rf /var/log/*"),
    "ldconfig's cache": ("var/cache/ldconfig/aux-cache", "content", "rm -f /var/cache/ldconfig/aux-cache"),
    "apt's lists": ("var/lib/apt/lists/x_InRelease", "presence", "rm -rf /var/lib/apt/lists/*"),
    "dpkg's backup": ("var/lib/dpkg/status-old", "content", "in the same RUN"),
    "a password's day": ("etc/shadow", "content", "SOURCE_DATE_EPOCH"),
    "a machine's ID": ("etc/machine-id", "content", "random"),
    "a compressed file": ("usr/share/doc/x.gz", "content", "gzip -n"),
    "a tool's cache": ("root/.npm/_cacache/index", "presence", "--mount=type=cache"),
    "what is left in /tmp": ("tmp/x.123", "presence", "--mount=type=tmpfs"),
    "a time alone": ("var/log", "mtime", "rewrite-timestamp=true"),
    "anything": ("app/bin", "content", "ARG SOURCE_DATE_EPOCH"),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_each_has_its_remedy(case: str) -> None:
    path, field, remedy = REMEDIES[case]
    assert remedy in usual_cause(Difference(path, field, 1, 2))


def test_an_owner_that_differs_has_no_usual_cause() -> None:
    assert usual_cause(Difference("f", "uid", 0, 1)) == ""
