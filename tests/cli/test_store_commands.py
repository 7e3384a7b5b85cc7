"""images, history, inspect, tag, rmi, save, load: against a real store."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from minibuild.oci import Image, Reference
from minibuild.store import Store
from tests.cli.conftest import Done, Shell

Add: TypeAlias = Callable[..., Image]


def test_an_empty_store_has_a_heading_alone(shell: Shell) -> None:
    assert shell("images") == Done(0, "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n", "")


def test_images_has_a_row_for_each_name(shell: Shell, add: Add) -> None:
    image = add("app:1", "registry.example/app:2")
    rows = [line.split() for line in shell("images").out.splitlines()]
    assert [row[:3] for row in rows[1:]] == [
        ["app", "1", image.id.short],
        ["registry.example/app", "2", image.id.short],
    ]
    assert rows[1][-2:] == ["ago", "3.07kB"]


def test_images_shows_whole_ids_alone_each_once(shell: Shell, add: Add) -> None:
    image = add("a", "b")
    assert shell("images", "-q", "--no-trunc").out == f"{image.id}\n"
    assert shell("images", "-q").out == f"{image.id.short}\n"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--filter", "label=kind=web"], ["web"]),
        (["--filter", "label=kind"], ["web", "team/db"]),
        (["-f", "label=kind", "-f", "label=kind=db"], ["team/db"]),
        (["--filter", "label=absent"], []),
        (["--filter", "reference=web"], ["web"]),
        (["--filter", "reference=w*:1"], ["web"]),
        (["--filter", "reference=web", "--filter", "reference=*/*"], ["web", "team/db"]),
        (["--filter", "reference=*"], ["web"]),
        (["team/*"], ["team/db"]),
        (["docker.io/library/web:1"], ["web"]),
        (["--filter", "dangling=true"], ["<none>"]),
        (["--filter", "dangling=false"], ["web", "team/db"]),
    ],
    ids=" ".join,
)
def test_filters_let_through_what_dockers_do(shell: Shell, add: Add, words: list[str], names: list[str]) -> None:
    add("web:1", kind="web")
    add("team/db:2", kind="db")
    add(rest="x")
    assert sorted(shell("images", "--format", "{{.Repository}}", *words).out.split()) == sorted(names)


@pytest.mark.parametrize(
    ("word", "names"),
    [("before=middle", ["old"]), ("since=middle", ["new"]), ("before=old", []), ("since=old", ["new", "middle"])],
)
def test_images_are_told_by_when_another_was_made(shell: Shell, add: Add, word: str, names: list[str]) -> None:
    for year, name in (("2021", "old"), ("2022", "middle"), ("2023", "new")):
        add(name, created=f"{year}-01-02T03:04:05.5+01:00", year=year)
    assert shell("images", "--filter", word, "--format", "{{.Repository}}").out.split() == names


def test_images_made_before_one_that_is_missing_are_an_error(shell: Shell, add: Add) -> None:
    add("web:1")
    done = shell("images", "-f", "since=web:2")
    assert done == Done(7, "", "error: no image 'web:2' in the store\nhint: did you mean web:1?\n")


@pytest.mark.parametrize("word", ["lable=x", "label", "dangling=perhaps"])
def test_a_filter_that_is_none_is_refused(shell: Shell, word: str) -> None:
    done = shell("images", "--filter", word)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: --filter ")


def test_images_as_json_has_an_object_a_line(shell: Shell, add: Add) -> None:
    image = add("web:1")
    document = json.loads(shell("images", "--json").out)
    assert document.pop("CreatedSince").endswith("ago")
    assert document == {
        "Repository": "web",
        "Tag": "1",
        "Digest": image.digest,
        "ID": image.id.short,
        "CreatedAt": "2024-01-02 03:04:05 +0000 UTC",
        "Size": "3.07kB",
        "Platforms": "linux/amd64",
    }


def test_history_is_newest_first_and_cuts_commands(shell: Shell, add: Add) -> None:
    image = add("web:1")
    form = "{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}"
    assert shell("history", "--format", form, "web:1").out.splitlines() == [
        f'{image.id.short}|CMD ["serve" "-x"]|0B|made by hand',
        "<missing>|RUN step step step step step step step step …|2.05kB|made by hand",
        "<missing>|RUN step step step step step step step step …|1.02kB|made by hand",
    ]
    assert shell("history", "-q", "--no-trunc", "web:1").out.splitlines() == [image.id, "<missing>", "<missing>"]
    assert f"RUN {'step ' * 12}2" in shell("history", "--no-trunc", "web:1").out


def test_history_for_machines_has_bytes_and_moments(shell: Shell, add: Add) -> None:
    add("web:1")
    assert shell("history", "--human=false", "--format", "{{.Size}} {{.CreatedSince}}", "web:1").out.splitlines()[
        1
    ] == ("2048 2024-01-02T03:04:05Z")


def test_inspect_has_dockers_shape(shell: Shell, add: Add) -> None:
    image = add("web:1", "other", kind="web")
    [document] = json.loads(shell("inspect", "web:1").out)
    assert document == {
        "Id": image.id,
        "RepoTags": ["web:1", "other:latest"],
        "RepoDigests": [f"web@{image.digest}", f"other@{image.digest}"],
        "Parent": "",
        "Comment": "made by hand",
        "Created": "2024-01-02T03:04:05Z",
        "Author": "",
        "Config": {
            "User": "app",
            "ExposedPorts": {"80/tcp": {}},
            "Env": ["PATH=/bin"],
            "Cmd": ["serve", "-x"],
            "Healthcheck": {"Test": ["NONE"]},
            "Volumes": None,
            "WorkingDir": "",
            "Entrypoint": None,
            "OnBuild": None,
            "Labels": {"kind": "web"},
        },
        "Architecture": "amd64",
        "Os": "linux",
        "Size": 3072,
        "RootFS": {"Type": "layers", "Layers": list(image.config.diff_ids)},
        "Descriptor": {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw_manifest)},
    }


def test_inspect_finds_by_id_by_name_and_by_digest(shell: Shell, add: Add) -> None:
    image = add("web:1")
    words = (image.id, image.id.short, image.id.hex[:4], "web:1", f"web@{image.digest}", "docker.io/library/web:1")
    assert shell("inspect", "-f", "{{.Id}}", *words).out.split() == [image.id] * len(words)


def test_inspect_shows_what_it_finds_and_says_what_it_does_not(shell: Shell, add: Add) -> None:
    image = add("web:1")
    done = shell("inspect", "-f", "{{.Id}}", "web:2", "web:1", "zzz")
    assert (done.status, done.out) == (7, f"{image.id}\n")
    assert done.err == (
        "error: no image 'web:2' in the store\nhint: did you mean web:1?\n"
        "\nerror: no image 'zzz' in the store\nhint: `minibuild images` lists them\n"
    )


def test_a_template_at_fault_is_shown_with_a_caret(shell: Shell, add: Add) -> None:
    add("web:1")
    assert shell("inspect", "-f", "{{.Idd}}", "web:1") == Done(
        2,
        "",
        "--format:1:3: error: .Idd is no field here\n1 | {{.Idd}}\n  |   ^^^^\nhint: did you mean Id?\n",
    )


def test_tag_adds_a_name_and_takes_it_from_another(shell: Shell, add: Add) -> None:
    first, second = add("a", which="1"), add("b", which="2")
    assert shell("tag", "a", "b:latest") == Done(0, "", "")
    with Store.at(shell.root) as store:
        assert store.images.find(Reference.parse("b")) == first
        assert store.images.by_id(second.id) == second


def test_rmi_takes_names_away_and_the_image_with_the_last(shell: Shell, add: Add) -> None:
    image = add("a", "b")
    assert shell("rmi", "a") == Done(0, "Untagged: a:latest\n", "")
    assert shell("rmi", "b") == Done(0, f"Untagged: b:latest\nDeleted: {image.id}\n", "")
    with Store.at(shell.root) as store:
        assert image.id not in store.blobs


def test_rmi_by_id_wants_force_for_several_names(shell: Shell, add: Add) -> None:
    image = add("a", "b")
    refused = shell("rmi", image.id.short)
    assert refused == Done(
        7,
        "",
        f"error: image {image.id.short} has 2 names: a:latest, b:latest\nhint: remove it by name, or all with -f\n",
    )
    assert shell("rmi", "-f", image.id.short).out == f"Untagged: a:latest\nUntagged: b:latest\nDeleted: {image.id}\n"


def test_rmi_goes_on_after_one_that_is_missing(shell: Shell, add: Add) -> None:
    add("a")
    done = shell("rmi", "nope", "a")
    assert done.status == 7
    assert done.out.startswith("Untagged: a:latest\n")
    assert shell("rmi", "-f", "nope") == Done(0, "", "")


def test_squash_makes_another_image_of_one_layer(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nWORKDIR /a\nWORKDIR /a/b\nUSER app\n")
    assert shell("build", "-q", "-t", "app:1", str(tmp_path)).status == 0
    done = shell("squash", "-t", "app:small", "app:1")
    assert (done.status, done.err) == (0, "")
    assert shell("inspect", "-f", "{{.Id}} {{len .RootFS.Layers}} {{.Config.User}}", "app:small", "app:1").out.split()[
        :3
    ] == [done.out.strip(), "1", "app"]
    assert shell("squash", "--from", "app:small", "app:1") == Done(
        7,
        "",
        "error: app:1 doesn't stand on app:small: of its 1 layers, app:1 begins with 0\n"
        "hint: minibuild history shows what each was made of\n",
    )


@pytest.fixture
def on_old(shell: Shell, tmp_path: Path) -> Shell:
    """A store with base:1, base:2, and app:1 built upon base:1; base:2 changes what app:1 writes to."""
    (tmp_path / "layout").mkdir()
    for name, text in (
        ("base:1", "FROM scratch\nCOPY a /f\nUSER one\n"),
        ("base:2", "FROM scratch\nCOPY b /f\nUSER two\n"),
        ("app:1", "FROM base:1\nCOPY c /f\nCOPY c /own\n"),
        ("app:2", "FROM base:1\nCOPY c /own\n"),
    ):
        for content in "abc":
            (tmp_path / content).write_text(content)
        (tmp_path / "Dockerfile").write_text(text)
        assert shell("build", "-q", "-t", name, str(tmp_path)).status == 0
    return shell


def test_rebase_puts_an_image_on_another_base(on_old: Shell) -> None:
    done = on_old("rebase", "--onto", "base:2", "-t", "app:3", "app:2")
    assert (done.status, done.err) == (0, "")
    shown = on_old("inspect", "-f", "{{.Id}} {{.Config.User}} {{len .RootFS.Layers}}", "app:3").out
    assert shown == f"{done.out.strip()} two 2\n"
    assert on_old("rebase", "--onto", "base:1", "app:3").status == 0


def test_rebase_refuses_what_may_go_wrong_unless_forced(on_old: Shell) -> None:
    refused = on_old("rebase", "--onto", "base:2", "app:1")
    assert refused == Done(
        7,
        "",
        "error: app:1 hides what the new base changed: f\n"
        "hint: build it anew, which is safe; or take it as it is with --force\n",
    )
    assert on_old("rebase", "--onto", "base:2", "--force", "app:1").err == (
        "note: app:1 hides what the new base changed: f\n"
    )


def test_rebase_goes_by_what_an_image_says_of_its_base(on_old: Shell) -> None:
    on_old("rebase", "--onto", "base:2", "-t", "app:3", "app:2")
    on_old("tag", "base:1", "elsewhere:1")
    assert on_old("rebase", "--onto", "elsewhere:1", "-t", "app:4", "app:3").status == 0
    digest = on_old("inspect", "-f", "{{.Descriptor.digest}}", "base:2").out.strip()
    on_old("rmi", "base:2")
    done = on_old("rebase", "--onto", "elsewhere:1", "app:3")
    assert done.err == (
        f"error: app:3 is based on base@{digest}, which isn't in the store\nhint: minibuild pull base@{digest}\n"
    )


def test_rebase_says_what_it_cannot_know(on_old: Shell, add: Add) -> None:
    add("other:1")
    assert on_old("rebase", "--onto", "other:1", "app:1").err == (
        "error: nothing says what app:1 is based on\nhint: say it: --from BASE, which the store must have\n"
    )
    done = on_old("rebase", "--from", "base:2", "--onto", "base:1", "app:1")
    assert done.status == 7
    assert done.err.startswith("error: app:1 doesn't stand on base:2: of its 1 layers, app:1 begins with 0\n")


def test_save_and_load_carry_an_image_to_another_store(shell: Shell, add: Add, tmp_path: Path) -> None:
    image = add("web:1", "web:2")
    saved = shell("save", "-o", str(tmp_path / "web.tar"), "web:1", "web:2")
    assert (saved.status, saved.out) == (0, "")
    other = Shell(tmp_path / "other", shell.capture)
    loaded = other("load", "-q", "-i", str(tmp_path / "web.tar"))
    assert (loaded.status, sorted(loaded.out.splitlines())) == (0, ["Loaded image: web:1", "Loaded image: web:2"])
    assert other("inspect", "-f", "{{.Id}} {{.RepoTags}}", "web:1").out == f"{image.id} [web:1 web:2]\n"


def test_an_image_saved_by_id_has_no_name_when_loaded(shell: Shell, add: Add, tmp_path: Path) -> None:
    image = add("web:1")
    shell("save", "-o", str(tmp_path / "web.tar"), image.id.short)
    other = Shell(tmp_path / "other", shell.capture)
    assert other("load", "-q", "-i", str(tmp_path / "web.tar")).out == f"Loaded image ID: {image.id}\n"


def test_several_images_go_into_one_archive_and_come_out_of_it(shell: Shell, add: Add, tmp_path: Path) -> None:
    add("a:1", which="1")
    add("b:1", "team/b:2", which="2")
    third = add(which="3")
    assert shell("save", "-o", str(tmp_path / "x.tar"), "a:1", "b:1", "team/b:2", third.id.short).status == 0
    with tarfile.open(tmp_path / "x.tar") as archive:
        names = archive.getnames()
        documents = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert len(names) == len(set(names)) == 2 + 3 * 2 + 2 + 3
    assert [item["RepoTags"] for item in documents] == [["a:1"], ["b:1", "team/b:2"], None]
    loaded = Shell(tmp_path / "other", shell.capture)("load", "-q", "-i", str(tmp_path / "x.tar"))
    assert loaded.out.splitlines() == [
        "Loaded image: a:1",
        "Loaded image: b:1",
        "Loaded image: team/b:2",
        f"Loaded image ID: {third.id}",
    ]


def test_a_tag_that_several_images_have_is_written_in_full_for_oci_tools(
    shell: Shell, add: Add, tmp_path: Path
) -> None:
    add("a:1", which="1")
    add("b:1", "b:2", which="2")
    shell("save", "-o", str(tmp_path / "x.tar"), "a:1", "b:1", "b:2")
    with tarfile.open(tmp_path / "x.tar") as archive:
        index = json.loads(archive.extractfile("index.json").read())  # type: ignore[union-attr]
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]
    assert names == ["docker.io/library/a:1", "docker.io/library/b:1", "2"]


def test_a_bare_name_saves_all_its_tags(shell: Shell, add: Add, tmp_path: Path) -> None:
    add("a:1", which="1")
    add("a:2", which="2")
    add("b:1", which="3")
    shell("save", "-o", str(tmp_path / "x.tar"), "a")
    loaded = Shell(tmp_path / "other", shell.capture)("load", "-q", "-i", str(tmp_path / "x.tar"))
    assert loaded.out == "Loaded image: a:1\nLoaded image: a:2\n"


@pytest.fixture
def for_two(shell: Shell, tmp_path: Path) -> Shell:
    """A store with app:1 for two platforms."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nWORKDIR /$TARGETARCH\n")
    platforms = "linux/amd64,linux/arm64"
    assert shell("build", "-q", "-t", "app:1", "--platform", platforms, str(tmp_path)).status == 0
    return shell


def test_all_platforms_are_saved_and_docker_finds_one(for_two: Shell, tmp_path: Path) -> None:
    archive, words = str(tmp_path / "x.tar"), ("-f", "{{.Id}} {{.Descriptor.digest}}", "app:1", "--platform")
    assert for_two("save", "-o", archive, "app:1").status == 0
    other = Shell(tmp_path / "other", for_two.capture)
    assert other("load", "-q", "-i", archive).out == "Loaded image: app:1\n"
    for platform in ("linux/amd64", "linux/arm64"):
        assert other("inspect", *words, platform).out == for_two("inspect", *words, platform).out
    with tarfile.open(archive) as saved:
        [item] = json.loads(saved.extractfile("manifest.json").read())  # type: ignore[union-attr]
    own = for_two("inspect", "-f", "{{.Id}}", "app:1").out.strip()
    assert (item["RepoTags"], item["Config"]) == (["app:1"], f"blobs/sha256/{own.removeprefix('sha256:')}")


def test_all_platforms_are_squashed_and_rebased(for_two: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM app:1\nWORKDIR /a/b\nWORKDIR /c\n")
    platforms = "linux/amd64,linux/arm64"
    for_two("build", "-q", "-t", "upon:1", "--platform", platforms, str(tmp_path))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nWORKDIR /other\nWORKDIR /more\n")
    for_two("build", "-q", "-t", "app:2", "--platform", platforms, str(tmp_path))
    assert for_two("squash", "--from", "app:1", "-t", "upon:2", "upon:1").status == 0
    assert for_two("rebase", "--onto", "app:2", "-t", "upon:3", "upon:2").status == 0
    assert for_two("squash", "-t", "upon:4", "--platform", "linux/arm64", "upon:3").status == 0
    form = "{{.Tag}} {{.Platforms}}"
    rows = for_two("images", "--format", form, "upon").out.splitlines()
    both = "linux/amd64, linux/arm64"
    assert sorted(rows) == [f"1 {both}", f"2 {both}", f"3 {both}", "4 linux/arm64"]
    for platform in platforms.split(","):
        names = [f"upon:{number}" for number in range(1, 4)]
        shown = for_two("inspect", "-f", "{{len .RootFS.Layers}}", "--platform", platform, *names).out
        assert shown.split() == ["3", "2", "3"]


def test_one_platform_is_saved_if_it_is_asked_for(for_two: Shell, tmp_path: Path) -> None:
    archive = str(tmp_path / "x.tar")
    assert for_two("save", "--platform", "linux/arm64", "-o", archive, "app:1").status == 0
    other = Shell(tmp_path / "other", for_two.capture)
    other("load", "-q", "-i", archive)
    assert other("images", "--format", "{{.Repository}} {{.Platforms}}").out == "app linux/arm64\n"


def test_a_layout_is_loaded_as_a_directory(shell: Shell, add: Add, tmp_path: Path) -> None:
    add("web:1")
    other = Shell(tmp_path / "other", shell.capture)
    assert other("load", "-q", "-i", str(shell.root)).out == "Loaded image: web:1\n"


@pytest.mark.parametrize("word", ["absent.tar", "."])
def test_what_is_no_archive_is_refused(
    shell: Shell, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = shell("load", "--progress=quiet", "-i", word)
    assert (done.status, done.out) == (7, "")
    assert done.err.startswith("error: ")
