"""``-o/--output``: where a build's result goes besides the store. Source: docker buildx build, --output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from minibuild.errors import UsageError, did_you_mean

STDOUT = "-"
# Of each type: the attributes we take. "dest" is asked for where it stands first.
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "docker": ("dest", "name"),
        "image": ("name",),
        "local": ("dest",),
        "oci": ("dest", "name", "tar"),
        "tar": ("dest",),
    }
)
_LATER = (
    *("attestation-inline", "compression", "compression-level", "dangling-name-prefix", "force-compression", "mode"),
    *(
        "name-canonical",
        "oci-artifact",
        "oci-mediatypes",
        "platform-split",
        "push",
        "push-by-digest",
        "store",
        "unpack",
    ),
    *("registry.insecure", "rewrite-timestamp"),
)
_PUSH = "write an archive with -o type=oci,dest=FILE and push it: skopeo copy oci-archive:FILE docker://NAME"


@dataclass(frozen=True, slots=True)
class Output:
    """One place. ``destination`` is a path, ``-`` for standard output, "" for none (the daemon, the store).

    ``names`` are the ``name=`` words; () takes the build's tags. ``directory``: an OCI layout not packed into a tar.
    ``target`` is the stage whose result goes there, "" for the last of the build's targets.
    """

    type: str
    destination: str = ""
    names: tuple[str, ...] = ()
    directory: bool = False
    target: str = ""

    @property
    def is_file(self) -> bool:
        """It ends in one file, which a person may hand on."""
        return self.type != "local" and not self.directory and self.destination not in ("", STDOUT)


def parse_output(word: str) -> Output:
    """The place that a word of ``-o`` says; raises UsageError."""
    if word == STDOUT:
        return Output("tar", STDOUT)
    fields = _fields(word)
    if len(fields) == 1 and "=" not in fields[0]:
        return Output("local", fields[0])
    attributes = dict(_attribute(word, text) for text in fields)
    kind = attributes.pop("type", "")
    if kind == "registry" or attributes.get("push", "false") != "false":
        raise UsageError(f"--output {word!r}: pushing is not supported yet", hint=_PUSH)
    if kind not in _ATTRIBUTES:
        hint = did_you_mean(kind, list(_ATTRIBUTES)) or f"choose from {', '.join(_ATTRIBUTES)}"
        raise UsageError(
            f"--output {word!r} has {kind!r} for a type" if kind else f"--output {word!r} has no type", hint=hint
        )
    attributes.pop("push", None)
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
        if key in known:
            continue
        if key in _LATER or key.startswith("annotation"):
            raise UsageError(f"--output {word!r}: {key} is not supported yet", hint="leave it out")
        hint = did_you_mean(key, known) or f"type={kind} takes {', '.join(known)}"
        raise UsageError(f"--output {word!r} has the attribute {key!r}, which type={kind} doesn't take", hint=hint)


def _output(word: str, kind: str, attributes: Mapping[str, str]) -> Output:
    destination = attributes.get("dest", "")
    tar = attributes.get("tar", "true").lower()
    if tar not in ("true", "false", "1", "0"):
        raise UsageError(f"--output {word!r} has {tar!r} for tar, wanted true or false")
    directory = tar in ("false", "0")
    if (kind == "local" or directory) and destination in ("", STDOUT):
        raise UsageError(f"--output {word!r} wants a directory: dest=DIR")
    if kind in ("oci", "tar") and not destination:
        destination = STDOUT
    names = tuple(name.strip() for name in attributes.get("name", "").split(",") if name.strip())
    return Output(kind, destination, names, directory, attributes.get("target", ""))
