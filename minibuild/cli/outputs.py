"""``-o/--output``: where a build's result goes besides the store. Source: docker buildx build, --output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import Platform, Reference
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.layers.compressing import Compression

STDOUT = "-"
LOADING = ("docker", "podman", "nerdctl")
"""The types that ``--load`` may name: they take one platform's image, and nothing with it."""

_COMPRESSION = ("compression", "compression-level", "force-compression")
_REWRITING = "rewrite-timestamp"
_NAMING = ("name-canonical", "push-by-digest")
# Of each type: the attributes we take. "dest" is asked for where it stands first.
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "docker": ("dest", "name", _REWRITING, *_COMPRESSION),
        "image": ("name", "push", _REWRITING, *_NAMING, *_COMPRESSION),
        "local": ("dest",),
        "nerdctl": ("name", _REWRITING, *_COMPRESSION),
        "oci": ("dest", "name", "tar", _REWRITING, *_COMPRESSION),
        "podman": ("name", _REWRITING, *_COMPRESSION),
        "registry": ("name", _REWRITING, *_NAMING, *_COMPRESSION),
        "tar": ("dest",),
    }
)
# What BuildKit can be told to do, and we do anyway.
_ALWAYS: Mapping[str, str] = MappingProxyType({"oci-mediatypes": "true", "store": "true", "unpack": "false"})
_LATER = (
    *("attestation-inline", "dangling-name-prefix", "mode", "oci-artifact", "oci-mediatypes"),
    *("platform-split", "registry.insecure", "store", "unpack"),
)


@dataclass(frozen=True, slots=True)
class Output:
    """One place. ``destination`` is a path, ``-`` for standard output, "" for none (the daemon, the store).

    ``names`` are the ``name=`` words; () takes the build's tags. ``directory``: an OCI layout not packed into a tar.
    ``target`` is the stage whose result goes there, "" for the last of the build's targets. ``compression``: None
    leaves layers as they are, else those are compressed that aren't, or with ``forces_compression``, all.
    ``by_digest``: a registry gets it without a tag; ``is_canonical``: the store names it by its digest too.
    ``rewrites_times``: nothing that was built is to be younger than SOURCE_DATE_EPOCH.
    """

    type: str
    destination: str = ""
    names: tuple[str, ...] = ()
    directory: bool = False
    target: str = ""
    compression: Compression | None = None
    forces_compression: bool = False
    by_digest: bool = False
    is_canonical: bool = False
    rewrites_times: bool = False

    @property
    def is_file(self) -> bool:
        """It ends in one file, which a person may hand on."""
        return self.type != "local" and not self.directory and self.destination not in ("", STDOUT)

    def references(self, tags: Sequence[Reference]) -> tuple[Reference, ...]:
        """The names that it gives a result which has these tags."""
        named = tuple(map(Reference.parse, self.names)) or tuple(tags)
        return tuple(name.with_tag("") for name in named) if self.by_digest else named


def parse_output(word: str) -> Output:
    """The place that a word of ``-o`` says; raises UsageError."""
    if word == STDOUT:
        return Output("tar", STDOUT)
    fields = _fields(word)
    if len(fields) == 1 and "=" not in fields[0]:
        return Output("local", fields[0])
    attributes = dict(_attribute(word, text) for text in fields)
    kind = attributes.pop("type", "")
    if kind not in _ATTRIBUTES:
        hint = did_you_mean(kind, list(_ATTRIBUTES)) or f"choose from {', '.join(_ATTRIBUTES)}"
        raise UsageError(
            f"--output {word!r} has {kind!r} for a type" if kind else f"--output {word!r} has no type", hint=hint
        )
    _refuse_unknown(word, kind, attributes)
    return _output(word, kind, attributes)


def check_outputs(outputs: Sequence[Output], *, quiet: bool, terminal: bool) -> None:
    """Raises UsageError for places that can't take what they are to get, before anything is built.

    ``quiet``: the image ID goes to standard output; ``terminal``: standard output is one.
    """
    on_stdout = [output for output in outputs if output.destination == STDOUT]
    if len(on_stdout) + quiet > 1:
        what = "-q prints the image ID" if quiet else "another --output writes"
        raise UsageError(f"--output wants standard output, where {what}", hint="give it a file: dest=FILE")
    if on_stdout and terminal:
        raise UsageError("standard output is a terminal, and an image is no text", hint="redirect it, or name a file")
    for output in outputs:
        if output.destination in ("", STDOUT):
            continue
        path = Path(output.destination)
        if output.type == "local" or output.directory:
            if path.exists() and not path.is_dir():
                raise UsageError(f"{output.destination} is no directory, --output type={output.type} wants one")
        elif path.is_dir():
            raise UsageError(f"{output.destination} is a directory, --output type={output.type} wants a file")
        elif not path.absolute().parent.is_dir():
            raise UsageError(f"{path.absolute().parent} doesn't exist, where --output is to write {path.name}")


def check_names(outputs: Sequence[Output], tags: Sequence[str]) -> None:
    """Raises UsageError where a registry has no name to take a result under; ``tags`` are the words that name it."""
    for output in outputs:
        words = output.names or tags
        if output.type == "registry" and not words:
            raise UsageError("nothing says where to push to", hint="name it: -t REGISTRY/REPOSITORY:TAG")
        pinned = next((word for word in output.names if "@" in word), None)
        if pinned:
            raise UsageError(f"{pinned} has a digest, which only the bytes can give", hint="leave @sha256:… out")
        tagged = next((word for word in words if ":" in word.rpartition("/")[2]), None)
        if output.by_digest and tagged:
            name = tagged.rpartition(":")[0]
            raise UsageError(f"{tagged} has a tag, and push-by-digest=true pushes none", hint=f"name it {name}")


def check_platforms(outputs: Sequence[Output], platforms: Sequence[Platform]) -> None:
    """Raises UsageError for places that take one platform's image, where there are to be several."""
    loading = next((output.type for output in outputs if output.type in LOADING), "")
    if platforms and loading:
        words = ",".join(map(str, platforms))
        raise UsageError(
            f"--output type={loading} takes one platform's image, and this build is for several: {words}",
            hint="type=oci,dest=FILE takes several, and type=registry; or build for one: --platform local",
        )


def check_attestations(outputs: Sequence[Output], *, has_any: bool) -> None:
    """Raises UsageError for places that have no room for attestations, where there are to be some."""
    loading = next((output.type for output in outputs if output.type in LOADING), "")
    if has_any and loading:
        raise UsageError(
            f"--output type={loading} takes the image alone, and --sbom and --provenance have an index made of it",
            hint="type=registry, type=oci, type=local and type=tar take them along; or leave them out",
        )


def _fields(word: str) -> list[str]:
    import csv

    try:
        fields = next(csv.reader([word], strict=True), [])
    except csv.Error as error:
        raise UsageError(f"--output {word!r} is no list of key=value ({error})") from error
    if not fields:
        raise UsageError("--output wants a directory, '-' or type=…, got ''")
    return fields


def _attribute(word: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--output {word!r} has {text!r}, wanted key=value")
    return key.strip().lower(), value


def _refuse_unknown(word: str, kind: str, attributes: Mapping[str, str]) -> None:
    known = (*_ATTRIBUTES[kind], "target")
    for key in attributes:
        if key in known or attributes[key].lower() == _ALWAYS.get(key):
            continue
        if key in _LATER or key.startswith("annotation"):
            raise UsageError(f"--output {word!r}: {key} is not supported yet", hint="leave it out")
        hint = did_you_mean(key, known) or f"type={kind} takes {', '.join(known)}"
        raise UsageError(f"--output {word!r} has the attribute {key!r}, which type={kind} doesn't take", hint=hint)


def _output(word: str, kind: str, attributes: Mapping[str, str]) -> Output:
    destination = attributes.get("dest", "")
    directory = not _claim(word, attributes, "tar", "true")
    if _claim(word, attributes, "push", "false"):
        kind = "registry"
    if (kind == "local" or directory) and destination in ("", STDOUT):
        raise UsageError(f"--output {word!r} wants a directory: dest=DIR")
    if kind in ("oci", "tar") and not destination:
        destination = STDOUT
    names = tuple(name.strip() for name in attributes.get("name", "").split(",") if name.strip())
    by_digest = _claim(word, attributes, "push-by-digest", "false")
    if by_digest and kind != "registry":
        raise UsageError(f"--output {word!r} pushes nothing", hint="say push=true, or leave push-by-digest out")
    return Output(
        kind,
        destination,
        names,
        directory,
        attributes.get("target", ""),
        _compression(word, attributes, "gzip" if kind == "registry" else ""),
        forces_compression=_claim(word, attributes, "force-compression", "false"),
        by_digest=by_digest,
        is_canonical=_claim(word, attributes, "name-canonical", "false"),
        rewrites_times=_claim(word, attributes, _REWRITING, "false"),
    )


def _claim(word: str, attributes: Mapping[str, str], key: str, usual: str) -> bool:
    value = attributes.get(key, usual).lower()
    if value not in ("true", "false", "1", "0"):
        raise UsageError(f"--output {word!r} has {value!r} for {key}, wanted true or false")
    return value in ("true", "1")


def _compression(word: str, attributes: Mapping[str, str], usual: str) -> Compression | None:
    from minibuild.layers.compressing import Compression

    level = attributes.get("compression-level", "")
    form = attributes.get("compression", usual) or ("gzip" if level else "")
    return Compression.parse(f"--output {word!r}", form, level) if form else None
