"""--cache-from and --cache-to: what their words mean, and what is said of those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.build.travelling.wishes import (
    CacheDestination,
    CacheSource,
    parse_caches,
    parse_destination,
    parse_source,
)
from minibuild.errors import UsageError
from minibuild.layers.compressing import Compression

GZIP = Compression()


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("r.test/a:c", CacheSource("registry", {"ref": "r.test/a:c"})),
        ("type=registry,ref=r.test/a:c", CacheSource("registry", {"ref": "r.test/a:c"})),
        ("type=local,src=c", CacheSource("local", {"src": "c"})),
        ('type=local,"src=a,b",tag=t', CacheSource("local", {"src": "a,b", "tag": "t"})),
    ],
)
def test_whence_a_cache_comes(word: str, wanted: CacheSource) -> None:
    assert parse_source(word) == wanted


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("r.test/a:c", CacheDestination("registry", {"ref": "r.test/a:c"}, compression=GZIP)),
        ("type=inline", CacheDestination("inline", {}, compression=GZIP)),
        (
            "type=registry,ref=a,mode=max,image-manifest=true,oci-mediatypes=true,compression=zstd,compression-level=9",
            CacheDestination("registry", {"ref": "a"}, "max", Compression("zstd", 9)),
        ),
        (
            'type=local,dest=c,mounts=a,mounts=/b,"mounts=c,d",ignore-error=true,force-compression=1',
            CacheDestination(
                "local",
                {"dest": "c"},
                compression=GZIP,
                mounts=("a", "/b", "c", "d"),
                ignores_errors=True,
                forces_compression=True,
            ),
        ),
    ],
)
def test_where_a_cache_goes(word: str, wanted: CacheDestination) -> None:
    assert parse_destination(word) == wanted


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("type=s3,bucket=b", "has 's3' for a type, which is not supported"),
        ("type=gha", "has 'gha' for a type, which is not supported"),
        ("type=registri,ref=a", "has 'registri' for a type, which is not supported"),
        ("ref=a", "has no type"),
        ("type=registry", "doesn't say where the cache is"),
        ("type=registry,ref=", "doesn't say where the cache is"),
        ("type=registry,ref=a,mode=all", "has 'all' for a mode, wanted min or max"),
        ("type=inline,mode=max", "an image holds the layers of its own steps only"),
        ("type=inline,mounts=a", "has 'mounts', which type=inline doesn't take"),
        ("type=registry,ref=a,image-manifest=false", "image-manifest=false is not supported"),
        ("type=registry,ref=a,mod=max", "has 'mod', which type=registry doesn't take"),
        ("type=registry,ref=a,compression=lzma", "has 'lzma' for a compression"),
        ("type=registry,ref=a,ignore-error=yes", "has 'yes' for ignore-error, wanted true or false"),
        ('type=registry,"ref', "is no list of key=value"),
        ("", "wants a name in a registry or type=…, got ''"),
    ],
)
def test_what_means_nothing_is_told(word: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_destination(word)
    assert said in caught.value.message
    assert caught.value.message.startswith("--cache-to")


def test_an_images_own_cache_is_taken_by_the_images_name() -> None:
    with pytest.raises(UsageError) as caught:
        parse_source("type=inline")
    assert caught.value.hint == "name the image: type=registry,ref=IMAGE"


def test_a_key_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    assert parse_caches([], [], str(tmp_path / "key")).key == b"0123456789abcdef"
    assert "0123456789abcdef" not in repr(parse_caches([], [], str(tmp_path / "key")))


@pytest.mark.parametrize(("content", "said"), [("short", "has a key of 5 bytes, wanted 16"), (None, "can't be read")])
def test_a_key_that_is_none_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(UsageError, match=said):
        parse_caches([], [], str(tmp_path / "key"))
