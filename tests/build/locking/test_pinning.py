"""Digests written into Dockerfiles, without any registry: what is asked for, what changes, what doesn't."""

from __future__ import annotations

import pytest

from minibuild.build.locking.pinning import _read_by_another, pins, rewritten
from minibuild.errors import DockerfileError
from minibuild.oci import Digest, Reference
from minibuild.plan.reading import read
from minibuild.source import Source


def digest_of(reference: Reference) -> str:
    return Digest.of(str(reference).encode())


def at(name: str) -> str:
    """What ``name`` is once it is pinned."""
    return f"{name}@{digest_of(Reference.parse(name))}"


def pinned(text: str, *, update: bool = False) -> str:
    source = Source("Dockerfile", text)
    return rewritten(source, pins(read(source), digest_of, update=update))


OLD = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM alpine", f"FROM {at('alpine')}"),
        ("from --platform=$BUILDPLATFORM alpine:3 as a\n", f"from --platform=$BUILDPLATFORM {at('alpine:3')} as a\n"),
        ("FROM a:1 AS b\nFROM b\nCOPY --from=0 /x /\n", f"FROM {at('a:1')} AS b\nFROM b\nCOPY --from=0 /x /\n"),
        ("FROM scratch\nCOPY --from=tools:2 /x /\n", f"FROM scratch\nCOPY --from={at('tools:2')} /x /\n"),
        (
            "FROM a\nRUN --mount=from=b:1,target=/b --mount=type=cache,target=/c true\n",
            f"FROM {at('a')}\nRUN --mount=from={at('b:1')},target=/b --mount=type=cache,target=/c true\n",
        ),
        ("ARG BASE='a:1'\nFROM $BASE\nFROM ${BASE}\n", f"ARG BASE='{at('a:1')}'\nFROM $BASE\nFROM ${{BASE}}\n"),
        ("ARG V=1\nFROM a:$V\n", "ARG V=1\nFROM a:$V\n"),
        (f"FROM a:1@{OLD}\n", f"FROM a:1@{OLD}\n"),
        ("\ufeffFROM a\r\nRUN <<E\r\nFROM no\r\nE\r\n", f"\ufeffFROM {at('a')}\r\nRUN <<E\r\nFROM no\r\nE\r\n"),
        ("FROM \\\n  # why\n  a\\\n\n", f"FROM \\\n  # why\n  {at('a')}\\\n\n"),
        ("FROM a\nONBUILD COPY --from=b /x /\n", f"FROM {at('a')}\nONBUILD COPY --from=b /x /\n"),
        ("# escape=`\nFROM localhost:5000/a\n", f"# escape=`\nFROM {at('localhost:5000/a')}\n"),
    ],
)
def test_digests_stand_behind_names_and_nothing_else_changes(before: str, after: str) -> None:
    assert pinned(before) == after


def test_update_asks_for_the_tag_that_was_kept_and_leaves_a_digest_alone() -> None:
    text = f"FROM a:1@{OLD}\nFROM b@{OLD}\n"
    assert pinned(text, update=True) == f"FROM {at('a:1')}\nFROM b@{OLD}\n"


def test_a_file_that_is_pinned_stays_as_it_is() -> None:
    once = pinned("FROM a\nCOPY --from=b /x /\n")
    assert pinned(once) == once


def test_what_would_read_otherwise_is_not_written() -> None:
    source = Source("Dockerfile", "FROM a\n")
    broken = pins(read(source), lambda _reference: f"{OLD} AS x")
    with pytest.raises(DockerfileError, match="is left as it is"):
        rewritten(source, broken)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ("FROM b\n", "another reader would see the base b, wanted c"),
        ("FROM c\nRUN x\n", "another reader would see other instructions"),
    ],
)
def test_another_reader_is_a_witness(after: str, why: str) -> None:
    with pytest.raises(DockerfileError, match=why):
        _read_by_another(Source("Dockerfile", "FROM a\n"), after, {"a": "c"})
