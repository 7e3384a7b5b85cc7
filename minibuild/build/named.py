"""Contexts by name, as ``--build-context NAME=PLACE`` gives them: images, or files that are opened when used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from minibuild.build.context import DirectoryContext
from minibuild.build.dockerfiles import ignore_file
from minibuild.build.places import STDIN, Access, Places, is_url
from minibuild.errors import ContextError, MinibuildError, UsageError, did_you_mean
from minibuild.instructions.effects import FromImage, origins_of
from minibuild.instructions.git_place import is_git
from minibuild.oci import Reference
from minibuild.plan import Plan

DOCKER_IMAGE = "docker-image"
# What a file that comes by its URL is called, as in BuildKit; a tar's files have their own names.
_LONE = "context"


def name_of(words: str) -> str:
    """What a name is called among contexts: ``alpine`` also where it is ``docker.io/library/alpine:latest``.

    Source: buildkit, frontend/dockerui.
    """
    try:
        return Reference.parse(words).familiar().removesuffix(":latest")
    except MinibuildError:
        return words.lower()


def is_image(place: str) -> bool:
    """A place names an image; else it is one of files."""
    from minibuild.transports import SOURCES

    scheme, colon, _ = place.partition(":")
    return bool(colon) and scheme in (DOCKER_IMAGE, *SOURCES)


@contextmanager
def open_contexts(named: Mapping[str, str], plan: Plan, access: Access) -> Iterator[Mapping[str, DirectoryContext]]:
    """The files that a plan copies or mounts from named contexts, by name; images are none of them.

    A directory has an ignore file of its own. Raises ContextError where one isn't there, used or not, or can't be had.
    """
    places = {name_of(name): place for name, place in named.items() if not is_image(place)}
    for name, place in places.items():
        _check_there(name, place)
    steps = [step for index in plan.order for step in plan.stages[index].steps]
    origins = [origin for step in steps for origin in origins_of(step.effect)]
    used = dict.fromkeys(name_of(origin.name) for origin in origins if isinstance(origin, FromImage))
    with ExitStack() as stack:
        opener = Places(access, stack)
        yield {name: _opened(opener, name, places[name]) for name in used if name in places}


@contextmanager
def open_context(named: Mapping[str, str], name: str, access: Access) -> Iterator[DirectoryContext]:
    """The files of one context of that name; raises UsageError for an image, ContextError where it can't be had."""
    places = {name_of(each): place for each, place in named.items()}
    place = places[name_of(name)]
    if is_image(place):
        raise UsageError(f"--build-context {name} is an image, wanted files")
    _check_there(name, place)
    with ExitStack() as stack:
        yield _opened(Places(access, stack), name, place)


def _check_there(name: str, place: str) -> None:
    """Raises ContextError for what is neither on this machine nor elsewhere."""
    if place == STDIN or is_url(place) or is_git(place) or Path(place).exists():
        return
    from minibuild.transports import SOURCES

    scheme, colon, _ = place.partition(":")
    schemes = [DOCKER_IMAGE, *SOURCES]
    raise ContextError(
        f"--build-context {name}: {place} doesn't exist, wanted files or an image",
        hint=(did_you_mean(scheme, schemes) if colon else "")
        or f"a directory, a tarball, a URL or a git address has files; images are {', '.join(schemes)} with a colon",
    )


def _opened(places: Places, name: str, place: str) -> DirectoryContext:
    if place == STDIN:
        raise UsageError(f"--build-context {name}=- can't be standard input", hint="only CONTEXT and -f can")
    try:
        found = places.find(place)
    except ContextError as error:
        raise ContextError(f"--build-context {name}: {error.message}", hint=error.hint) from error
    if found.lone is not None:
        (found.root / _LONE).write_bytes(found.lone)
    context = found.context(places.access.journal.warn)
    return context if found.noun else replace(context, ignore=ignore_file(found.root))
