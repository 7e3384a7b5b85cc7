"""The words of a Dockerfile that name images, and where a digest for them would be written."""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.dockerfile.statements import Dockerfile
from minibuild.dockerfile.text import Text
from minibuild.instructions.copy import Copy
from minibuild.instructions.run import Run
from minibuild.instructions.stage import Arg
from minibuild.plan.sections import Section, Sections, cut
from minibuild.values import dataclass

_SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class ImageWord:
    """Words that name an image: ``text`` is where they stand, in an instruction or as the default of the ARG that it
    takes; ``obstacle`` is why no digest can be written there, "" if it can.
    """

    text: Text
    obstacle: str = ""


def image_words(dockerfile: Dockerfile) -> tuple[ImageWord, ...]:
    """Each place once, in the order of the file. Stages and ``scratch`` are none of them, nor what ONBUILD says: it
    is of Dockerfiles that are still to be written.
    """
    sections = cut(dockerfile)
    found = {(word.text.span.start, word.text.span.end): word for word in _all(sections, dockerfile)}
    return tuple(found[place] for place in sorted(found))


def _all(sections: Sections, dockerfile: Dockerfile) -> Iterator[ImageWord]:
    defaults = _defaults(sections)
    for section in sections.sections:
        word = _of_from(section.head.image, defaults)
        names = sections.names_before(section.index)
        stages = {name for name in names if not name.isdigit()}
        if word.text.value.lower() not in {*stages, _SCRATCH}:
            yield word if word.obstacle else _writable(word.text, dockerfile)
        names = {**names, **sections.names_from(section.index)}
        for text in _origins(section):
            if text.value.lower() not in {*names, _SCRATCH} and not text.value.isdigit():
                yield _writable(text, dockerfile)


def _defaults(sections: Sections) -> dict[str, Text | None]:
    """The defaults of the ARGs above the first FROM; None where one has none, or is declared twice."""
    defaults: dict[str, Text | None] = {}
    for _, instruction in sections.preamble:
        for name, default in instruction.declarations if isinstance(instruction, Arg) else ():
            defaults[name.value] = None if name.value in defaults else default
    return defaults


def _of_from(text: Text, defaults: dict[str, Text | None]) -> ImageWord:
    if "$" not in text.value:
        return ImageWord(text)
    name = text.value.removeprefix("$").removeprefix("{").removesuffix("}")
    if name not in defaults:
        return ImageWord(text, "variables are a part of it: let one ARG hold the whole name, with a default")
    default = defaults[name]
    if default is None or "$" in default.value:
        return ImageWord(text, f"ARG {name} has no default that is a name as it stands")
    return ImageWord(_unquoted(default))


def _unquoted(text: Text) -> Text:
    quoted = len(text.value) > 1 and text.value[0] == text.value[-1] and text.value[0] in "'\""
    return text.slice(1, len(text.value) - 1) if quoted else text


def _origins(section: Section) -> Iterator[Text]:
    for _, instruction in section.placed:
        if isinstance(instruction, Copy) and instruction.origin:
            yield instruction.origin
        if isinstance(instruction, Run):
            yield from (mount.origin for mount in instruction.mounts if mount.origin)


def _writable(text: Text, dockerfile: Dockerfile) -> ImageWord:
    escape = dockerfile.directives.get("escape", "\\")
    if any(mark in text.value for mark in ("'", '"', escape)):
        return ImageWord(text, "it has quotes or escapes in it: write it without")
    if text.span.text != text.value:
        return ImageWord(text, "it goes on in another line: write it in one")
    return ImageWord(text)
