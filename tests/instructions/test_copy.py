"""COPY and ADD."""

from dataclasses import replace

import pytest

from minibuild.instructions.effects import (
    CopyFiles,
    FromContext,
    FromImage,
    FromStage,
    InlineFile,
    SourcePath,
    SourceRepository,
    SourceUrl,
)
from minibuild.instructions.modes import SymbolicMode
from minibuild.oci import ContainerConfig
from tests.instructions.reading import error, findings, history, read, state


def copied(text: str, **variables: str) -> CopyFiles:
    """The effect of an instruction in a stage whose working directory is /w."""
    effect = read(text).effect(state(ContainerConfig(directory="/w"), **variables))
    assert isinstance(effect, CopyFiles)
    return effect


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        ("f", "f"),
        ("/f", "f"),
        ("//f", "f"),
        ("./d/../f", "f"),
        ("../../f", "f"),
        ("d/", "d"),
        ("d/.", "d"),
        (".", ""),
        ("/", ""),
        ("..", ""),
        ("*.js", "*.js"),
        ("[[]x]", "[[]x]"),
    ],
)
def test_sources_are_clamped_to_their_root(source: str, pattern: str) -> None:
    assert copied(f"COPY {source} /n/").sources == (SourcePath(pattern),)


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("/n", "/n"),
        ("/n/", "/n/"),
        ("n", "/w/n"),
        (".", "/w/"),
        ("./", "/w/"),
        ("n/.", "/w/n/"),
        ("..", "/"),
        ("../../n", "/n"),
        ("/", "/"),
        ("$UNSET", "/w/"),
    ],
)
def test_a_destination_is_absolute_and_says_if_it_is_a_directory(destination: str, path: str) -> None:
    assert copied(f"COPY f {destination}").destination == path


def test_several_sources_want_a_directory() -> None:
    assert copied("COPY f g /n/").sources == (SourcePath("f"), SourcePath("g"))
    caught = error("COPY f g /n")
    assert (caught.span and caught.span.text, caught.hint) == ("/n", "end it with a slash: /n/")


def test_a_file_and_a_here_document_are_two_sources() -> None:
    assert error("COPY f <<g /n\nx\ng\n").hint == "end it with a slash: /n/"


def test_quotes_do_not_protect_blanks() -> None:
    caught = error('COPY "a b" /n')
    assert caught.hint == 'write a JSON array: COPY ["a b", "destination"]'
    assert caught.span and caught.span.text == '"a b"'
    assert copied('COPY ["a b", "/n"]').sources == (SourcePath("a b"),)


def test_here_documents_are_files_named_after_their_delimiters() -> None:
    effect = copied("COPY <<a <<'b' /etc/\n$A \\$A \"q\"\na\n$A\nb\n", A="1")
    assert effect.inline == (InlineFile("a", b'1 $A "q"\n'), InlineFile("b", b"$A\n"))
    assert (effect.sources, effect.destination) == ((), "/etc/")


def test_a_marker_in_an_exec_form_is_a_path() -> None:
    assert copied('COPY ["<<EOF", "/n"]').sources == (SourcePath("<<EOF"),)


@pytest.mark.parametrize("name", ["a/b", ".", ".."])
def test_a_here_document_must_have_the_name_of_a_file(name: str) -> None:
    assert error(f"COPY <<{name} /n/\n{name}\n").message == f"a here-document's name becomes a file's, got '{name}'"


def test_an_undefined_variable_in_a_tabbed_document_is_found_where_it_stands() -> None:
    (finding,) = findings("COPY <<-EOF /n\n\tone\n\t\ttwo $X\n\tEOF\n")
    assert finding.span is not None and (finding.span.line, finding.span.column) == (3, 8)


def test_owner_and_mode_are_expanded() -> None:
    effect = copied("COPY --chown=$U:9 --chmod=$M f /n", U="app", M="4755")
    assert (effect.owner, effect.mode) == ("app:9", 0o4755)


def test_an_owner_or_a_mode_that_comes_out_empty_is_not_said() -> None:
    effect = copied("COPY --chown=$U --chmod=$M f /n")
    assert (effect.owner, effect.mode) == (None, None)


@pytest.mark.parametrize("mode", ["07x5", "8", "10000", "-1", "0o755", "rwx"])
def test_a_mode_is_octal_or_symbolic(mode: str) -> None:
    assert error(f"COPY --chmod={mode} f /n").message == f"--chmod wants an octal or symbolic mode, got '{mode}'"


@pytest.mark.parametrize("mode", ["u=rwX,go=rX", "+x", "a-w", "u+s", "g=u", "=r", "u+x-w"])
def test_a_symbolic_mode_is_kept_for_each_file_to_change(mode: str) -> None:
    assert copied(f"COPY --chmod={mode} f /n").mode == SymbolicMode.parse(mode)


def test_files_come_from_stages_by_name_and_number_and_from_images() -> None:
    before = replace(state(), stages={"0": 0, "build": 0}, stage=1)
    origins = [read(f"COPY --from={name} f /n").effect(before) for name in ("BUILD", "0", "busybox:1")]
    assert [effect.origin for effect in origins if isinstance(effect, CopyFiles)] == [
        FromStage(0),
        FromStage(0),
        FromImage("busybox:1"),
    ]


def test_a_named_context_wins_over_a_stage() -> None:
    before = replace(state(), stages={"a": 0}, contexts=frozenset({"a"}))
    effect = read("COPY --from=A f /n").effect(before)
    assert isinstance(effect, CopyFiles) and effect.origin == FromImage("a")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("me", "circular dependency: stage 'me' takes files from itself"),
        ("1", "circular dependency: stage '1' takes files from itself"),
        ("next", "stage 'next' is below this one, and a stage takes files from earlier ones only"),
        ("2", "stage '2' is below this one, and a stage takes files from earlier ones only"),
        ("3", "no stage has the number 3"),
        ("$X", "--from takes no variables, got '$X'"),
    ],
)
def test_a_stage_copies_from_earlier_ones(name: str, message: str) -> None:
    before = replace(state(), stage=1, stages={"0": 0}, later_stages={"me": 1, "1": 1, "next": 2, "2": 2})
    assert error(f"COPY --from={name} f /n", before).message == message


def test_an_image_that_is_nearly_a_stage_is_warned_of() -> None:
    before = replace(state(), stages={"0": 0, "build": 0})
    assert [finding.hint for finding in findings("COPY --from=biuld f /n", before)] == ["did you mean build?"]


def test_add_unpacks_unless_it_is_told_not_to() -> None:
    assert copied("ADD a.tar /n/").unpacks
    assert copied("ADD --unpack a.tar /n/").unpacks
    assert not copied("ADD --unpack=false a.tar /n/").unpacks
    assert not copied("COPY a.tar /n/").unpacks


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("https://e.com/x", SourceUrl),
        ("HTTP://e.com/x?y=r.git", SourceUrl),
        ("$U/x", SourceUrl),
        ("https://e.com/o/r.git", SourceRepository),
        ("https://e.com/o/r.git#main:docs", SourceRepository),
        ("https://e.com/o/r.git?branch=main&subdir=docs", SourceRepository),
        ("git@e.com:o/r", SourceRepository),
        ("ssh://e.com/r", SourceRepository),
        ("git://e.com/r", SourceRepository),
        ("github.com/o/r.git", SourcePath),
        ("./git@e.com", SourcePath),
    ],
)
def test_add_tells_urls_repositories_and_paths_apart(source: str, kind: type[object]) -> None:
    [read_as] = copied(f"ADD {source} /n/", U="https://e.com").sources
    assert isinstance(read_as, kind)


def test_the_flags_of_add_are_for_what_it_fetches() -> None:
    digest = "sha256:" + "0" * 64
    assert copied("ADD --checksum=$D --unpack https://e.com/x /n/", D=digest).sources == (
        SourceUrl("https://e.com/x", checksum=digest, unpacks=True),
    )
    assert copied("ADD https://e.com/x /n/").sources == (SourceUrl("https://e.com/x"),)
    assert copied("ADD --keep-git-dir --checksum=abcdef0 git@e.com:r /n/").sources == (
        SourceRepository("git@e.com:r", checksum="abcdef0", keeps_git_directory=True),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--checksum=sha256:x https://e.com/x", "--checksum wants sha256: and 64 hexadecimal digits, got 'sha256:x'"),
        ("--checksum=abc https://e.com/x", "--checksum wants sha256: and 64 hexadecimal digits, got 'abc'"),
        ("--checksum=HEAD git@e.com:r", "--checksum of a repository wants a commit's hexadecimal digits, got 'HEAD'"),
        ("--checksum=abcdef https://e.com/x https://e.com/y", "--checksum is for one source, got 2"),
        (
            "--checksum=abcdef f",
            "--checksum is for URLs and git repositories, and this source is a file of the context",
        ),
    ],
)
def test_a_checksum_must_fit_what_it_is_of(words: str, message: str) -> None:
    assert error(f"ADD {words} /n/").message == message


@pytest.mark.parametrize("source", ["https://e.com/x", "git@e.com:o/r.git", "$U"])
def test_copy_takes_no_url(source: str) -> None:
    caught = error(f"COPY {source} /n", state(U="https://e.com/x"))
    assert caught.message.startswith("COPY takes no URL, got ")
    assert caught.span is not None and caught.span.text == source


def test_link_and_exclude_are_part_of_the_effect() -> None:
    effect = copied("COPY --link --exclude=*.md --exclude=$A f /n", A="x")
    assert (effect.stands_alone, effect.excluded) == (True, ("*.md", "$A"))
    assert not copied("COPY --link=false f /n").stands_alone


@pytest.mark.parametrize(
    ("source", "pivot", "pattern"),
    [
        ("d/s/y", "", "d/s/y"),
        ("./d/./s/y", "d", "s/y"),
        ("/d/s/./", "d/s", ""),
        ("/d/s/.", "", "d/s"),
        ("d/./s/./y", "d", "s/y"),
        ("d*/./**/y", "d*", "**/y"),
        ("../d/./../y", "d", "y"),
        (".", "", ""),
    ],
)
def test_parents_are_kept_from_the_first_pivot_on(source: str, pivot: str, pattern: str) -> None:
    assert copied(f"COPY --parents {source} /n").sources == (SourcePath(pattern, pivot=pivot),)


def test_with_parents_the_destination_is_a_directory() -> None:
    assert copied("COPY --parents a b /n").destination == "/n/"


@pytest.mark.parametrize(
    ("source", "is_clamped"), [("../f", True), ("a/../../f", True), ("/../f", True), ("a/../f", False)]
)
def test_a_source_knows_that_it_led_out_of_its_root(source: str, is_clamped: bool) -> None:
    [path] = copied(f"COPY {source} /n").sources
    assert isinstance(path, SourcePath) and path.is_clamped is is_clamped


def test_the_history_has_words_expanded_and_paths_as_given() -> None:
    before = state(ContainerConfig(directory="/w"), D="/d", U="app")
    assert history("COPY --chmod=644 --from=x --chown=$U ./a/../b $D/", before) == (
        "COPY --chown=app --chmod=644 ./a/../b /d/ # buildkit"
    )
    assert history("COPY <<EOF b .\nx\nEOF\n", before) == "COPY b <<EOF . # buildkit"
    assert history("COPY --link --exclude=x --parents a /n", before) == "COPY --parents a /n # buildkit"
    assert history("ADD a.tar /n", before) == "ADD a.tar /n # buildkit"


def test_the_place_in_the_file_is_not_part_of_the_effect() -> None:
    assert copied("COPY f /n") == copied("\n\nCOPY   f   /n")
    assert copied("COPY f /n").origin == FromContext()
