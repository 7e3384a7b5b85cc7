"""Digests written into a Dockerfile, and a second reading of it: nothing but what was meant may come out."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

from minibuild.build.locking.words import ImageWord, image_words
from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import DockerfileError, MinibuildError, blame
from minibuild.oci import Reference
from minibuild.plan.reading import read
from minibuild.source import Source
from minibuild.values import dataclass

Resolve = Callable[[Reference], str]
"""The digest of what a registry has by a name: an index's, where it is one."""

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Pin:
    """A word that names an image, and what it is to be; the same where nothing changes."""

    word: ImageWord
    pinned: str

    @property
    def changes(self) -> bool:
        return self.pinned != self.word.text.value


def pins(dockerfile: Dockerfile, resolve: Resolve, *, update: bool = False) -> tuple[Pin, ...]:
    """What to write; ``update`` asks anew for tags that have digests. Raises ImageError, at the word, where a name
    can't be resolved.
    """
    found = []
    for word in image_words(dockerfile):
        pinned = word.text.value
        if not word.obstacle:
            with blame(word.text.span):
                pinned = _pinned(pinned, resolve, update)
        found.append(Pin(word, pinned))
    return tuple(found)


def _pinned(words: str, resolve: Resolve, update: bool) -> str:
    reference = Reference.parse(words)
    if reference.is_pinned and not (update and reference.tag):
        return words
    digest = resolve(reference.with_tag(reference.tag) if reference.tag else reference)
    return f"{words.partition('@')[0]}@{digest}"


def rewritten(source: Source, chosen: Sequence[Pin]) -> str:
    """A file's text with the words in place, every other character as it was.

    It is read twice before anybody gets it: by our own parser, and by dockerfile-parse, which must see the same
    instructions on the same lines as before and no other bases than those meant. Raises DockerfileError if not.
    """
    text = source.text.removeprefix(_BOM)  # where the parser counts from
    mark = source.text[: len(source.text) - len(text)]
    for pin in sorted(chosen, key=lambda pin: pin.word.text.span.start, reverse=True):
        if pin.changes:
            span = pin.word.text.span
            text = text[: span.start] + pin.pinned + text[span.end :]
    text = mark + text
    again = [word.text.value for word in image_words(read(Source(source.name, text)))]
    meant = [pin.pinned for pin in chosen]
    if again != meant:
        raise _disagreement(source, f"it would name {', '.join(again)}, wanted {', '.join(meant)}")
    _read_by_another(source, text, {pin.word.text.value: pin.pinned for pin in chosen})
    return text


def _read_by_another(source: Source, text: str, meant: Mapping[str, str]) -> None:
    before, after = _seen(source.text), _seen(text)
    if before is None:
        return  # it can't read the file that is there, so it is no witness
    if after is None or before[0] != after[0]:
        raise _disagreement(source, "another reader would see other instructions")
    for old, new in zip(before[1], after[1], strict=True):
        if new not in (old, meant.get(old)):
            raise _disagreement(source, f"another reader would see the base {new}, wanted {meant.get(old, old)}")


def _seen(text: str) -> tuple[list[tuple[str, int, int]], list[str]] | None:
    """The instructions with their lines and the bases that dockerfile-parse sees; None where it can't read it."""
    from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

    raw = text.removeprefix(_BOM).replace("\r\n", "\n").encode("utf-8", "surrogateescape")
    try:
        parser = DockerfileParser(fileobj=io.BytesIO(raw))
        lines = [(each["instruction"], each["startline"], each["endline"]) for each in parser.structure]
        return lines, list(parser.parent_images)
    except Exception:  # whatever it stumbles over
        return None


def _disagreement(source: Source, why: str) -> MinibuildError:
    return DockerfileError(f"{source.name} is left as it is: {why}", hint="write the digests by hand")
