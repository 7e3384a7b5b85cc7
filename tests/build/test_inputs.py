"""A context and its Dockerfile are found wherever the words say they are, and nothing of theirs leads outside."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from minibuild.build.inputs import Access, open_inputs
from minibuild.build.journal import Journal
from minibuild.errors import ContextError, UsageError
from minibuild.events import Event, Warned
from minibuild.oci import Digest

SCRATCH = "FROM scratch\n"


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def on_stdin(content: bytes) -> Access:
    return Access(stdin=io.BytesIO(content))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info


def packed(*members: tarfile.TarInfo, compression: str = "", **files: str) -> bytes:
    """A tar of members that hold nothing, and of files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
        for name, text in files.items():
            info = member(name, content=text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


def test_the_dockerfile_is_found_whatever_its_case(tmp_path: Path) -> None:
    (tmp_path / "dockerfile").write_text(SCRATCH)
    with open_inputs(str(tmp_path)) as inputs:
        assert (inputs.source.name, inputs.source.text) == ("dockerfile", SCRATCH)


def test_an_ignore_file_of_the_dockerfile_s_own_goes_before(tmp_path: Path) -> None:
    tree(tmp_path, "x.Dockerfile", "a", "b")
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "x.Dockerfile.dockerignore").write_text("b\n")
    with open_inputs(str(tmp_path), str(tmp_path / "x.Dockerfile")) as inputs:
        assert [inputs.context.ignore.excludes(path) for path in ("a", "b")] == [False, True]


def test_a_missing_dockerfile_names_what_is_there(tmp_path: Path) -> None:
    tree(tmp_path, "Dockerfile.prod")
    with pytest.raises(ContextError, match="no Dockerfile at") as caught, open_inputs(str(tmp_path)):
        pass
    assert "Dockerfile.prod" in caught.value.hint


def test_a_file_that_is_no_tarball_is_no_context(tmp_path: Path) -> None:
    tree(tmp_path, "f")
    with pytest.raises(ContextError, match="neither a directory nor a tarball"), open_inputs(str(tmp_path / "f")):
        pass


def test_what_is_not_there_is_no_context(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="missing doesn't exist"), open_inputs(str(tmp_path / "missing")):
        pass


def test_a_dockerfile_on_standard_input_goes_with_a_directory_and_its_ignore_file(tmp_path: Path) -> None:
    tree(tmp_path, "a")
    (tmp_path / ".dockerignore").write_text("a\n")
    with open_inputs(str(tmp_path), "-", on_stdin(SCRATCH.encode())) as inputs:
        assert (inputs.source.name, inputs.source.text, inputs.place) == ("Dockerfile", SCRATCH, "-")
        assert inputs.context.find("a") is None


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tar_on_standard_input_is_told_by_its_content(tmp_path: Path, compression: str) -> None:
    content = packed(compression=compression, Dockerfile=SCRATCH, a="one")
    with open_inputs("-", "", Access(stdin=io.BytesIO(content), scratch=tmp_path)) as inputs:
        found = inputs.context.find("a")
        assert found is not None
        assert (inputs.source.text, inputs.context.opener(found)().read()) == (SCRATCH, b"one")
    assert list(tmp_path.iterdir()) == []


def test_a_dockerfile_alone_on_standard_input_has_no_files() -> None:
    with open_inputs("-", "", on_stdin(SCRATCH.encode())) as inputs:
        assert inputs.source.text == SCRATCH
        assert inputs.context.children("") == []
        assert inputs.context.explain_absence("app.py") == (
            "the context, standard input, is a Dockerfile, so there are no files to copy"
        )


def test_a_tarball_s_ignore_file_leaves_nothing_out(tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_bytes(packed(**{"Dockerfile": SCRATCH, ".dockerignore": "a\n", "a": "one"}))
    with open_inputs(str(tmp_path / "c.tar")) as inputs:
        assert inputs.context.find("a") is not None


def test_a_relative_dockerfile_of_a_tarball_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_bytes(packed(**{"sub/Dockerfile.ci": "FROM busybox\n"}))
    with open_inputs(str(tmp_path / "c.tar"), "sub/Dockerfile.ci") as inputs:
        assert (inputs.source.name, inputs.source.text) == ("sub/Dockerfile.ci", "FROM busybox\n")


def test_a_missing_dockerfile_of_a_tarball_names_what_is_in_it() -> None:
    content = packed(**{"Dockerfile.ci": SCRATCH})
    with pytest.raises(ContextError) as caught, open_inputs("-", "", on_stdin(content)):
        pass
    assert (caught.value.message, caught.value.hint) == (
        "no Dockerfile at Dockerfile in standard input",
        "it has Dockerfile.ci: name one with -f",
    )


def test_a_dockerfile_that_leads_out_of_a_tarball_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, "secret")
    content = packed(member("Dockerfile", tarfile.SYMTYPE, str(tmp_path / "secret")))
    with pytest.raises(ContextError, match="leads out of what it stands in"), open_inputs("-", "", on_stdin(content)):
        pass


HOSTILE = {
    "a name that goes up": (member("../x"), r"'\.\./x' leads out"),
    "a name that goes up later": (member("a/../../x"), r"'a/\.\./\.\./x' leads out"),
    "a hard link that goes up": (member("x", tarfile.LNKTYPE, "../../etc/passwd"), "leads out"),
    "a hard link to what isn't there": (member("x", tarfile.LNKTYPE, "etc/passwd"), "doesn't hold before it"),
    "a deletion": (member("d/.wh.x"), "has a name that starts with .wh. for 'd/x'"),
    "a sparse file": (member("x", tarfile.GNUTYPE_SPARSE), "is a sparse file"),
}


@pytest.mark.parametrize(("info", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_tar_is_refused_by_the_name_of_its_entry(info: tarfile.TarInfo, said: str, tmp_path: Path) -> None:
    access = Access(stdin=io.BytesIO(packed(info, Dockerfile=SCRATCH)), scratch=tmp_path / "scratch")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ContextError, match=said), open_inputs("-", "", access):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["scratch"]


def test_a_tar_that_writes_through_its_own_symlink_is_refused(tmp_path: Path) -> None:
    content = packed(member("x", tarfile.SYMTYPE, str(tmp_path)), member("x/f"), Dockerfile=SCRATCH)
    with pytest.raises(ContextError, match="'x/f' stands below 'x'"), open_inputs("-", "", on_stdin(content)):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed(Dockerfile=SCRATCH)[:600], "the tar ends in the middle of 'Dockerfile'"),
        (packed(compression="gz", Dockerfile=SCRATCH)[:40], "the gzip stream ends too early"),
        (b"PK\3\4\0\0", "is neither a Dockerfile nor a tar"),
        (bytes(1024), "no Dockerfile at Dockerfile"),
    ],
    # A packed tar has the time in it, and is no name for a test.
    ids=["a cut tar", "a cut gzip stream", "a zip", "nothing in it"],
)
def test_what_is_no_whole_tar_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ContextError, match=said), open_inputs("-", "", on_stdin(content)):
        pass


def test_nothing_on_standard_input_is_no_context() -> None:
    with pytest.raises(UsageError, match="standard input is empty"), open_inputs("-", "", on_stdin(b"")):
        pass


def test_standard_input_is_not_both_context_and_dockerfile() -> None:
    with pytest.raises(UsageError, match="can't be both") as caught, open_inputs("-", "-"):
        pass
    assert caught.value.hint.startswith("name the context")


def test_a_dockerfile_in_place_of_the_context_is_the_dockerfile() -> None:
    access = on_stdin(SCRATCH.encode())
    with pytest.raises(UsageError, match="so -f other can't be"), open_inputs("-", "other", access):
        pass


def test_a_tar_s_owners_are_kept_whoever_unpacks_it() -> None:
    info = member("f", content=b"x")
    info.uid, info.gid = 5, 6
    with open_inputs("-", "", on_stdin(packed(info, Dockerfile=SCRATCH))) as inputs:
        owners = {entry.path: (entry.uid, entry.gid) for entry in inputs.context.walk("")}
    assert owners == {"Dockerfile": (0, 0), "f": (5, 6)}


def test_what_is_no_file_of_a_tar_is_left_out_and_told() -> None:
    told: list[Event] = []
    content = packed(member("pipe", tarfile.FIFOTYPE), Dockerfile=SCRATCH)
    access = Access(stdin=io.BytesIO(content), journal=Journal(told.append))
    with open_inputs("-", "", access) as inputs:
        assert [entry.path for entry in inputs.context.walk("")] == ["Dockerfile"]
    assert [event.finding.rule for event in told if isinstance(event, Warned)] == ["SpecialFileInContext"]


def test_an_absolute_dockerfile_is_this_machine_s_whatever_the_context(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("FROM scratch\nLABEL of=mine\n")
    with open_inputs("-", str(tmp_path / "other"), on_stdin(packed(Dockerfile=SCRATCH))) as inputs:
        assert inputs.source.text.endswith("LABEL of=mine\n")


def test_names_of_a_tar_that_start_at_the_root_start_at_its_own() -> None:
    with open_inputs("-", "", on_stdin(packed(member("/etc/x"), member("a//b"), Dockerfile=SCRATCH))) as inputs:
        assert [entry.path for entry in inputs.context.walk("")] == ["Dockerfile", "a", "a/b", "etc", "etc/x"]


def test_a_file_of_a_tar_is_digested_as_what_it_came_to_hold() -> None:
    first, second = member("a", content=b"1"), member("b", tarfile.LNKTYPE, "a")
    with open_inputs("-", "", on_stdin(packed(first, second, Dockerfile=SCRATCH, a="2"))) as inputs:
        context = inputs.context
        digests = {entry.path: context.digest(entry) for entry in context.walk("") if entry.path != "Dockerfile"}
    assert digests == {"a": str(Digest.of(b"2")), "b": str(Digest.of(b"\0"))}
