"""An image on top of another base, without building it again: layers are put together anew, none is read or written.

What the base was is known by its layers. Of the configuration each word is the new base's where the image had it from
the old one, and the image's own where the image said something else:

- user, directory, stop signal, health check and shell by themselves;
- variables, labels, ports and volumes each by its name: one that the new base dropped goes, unless the image set it;
- entrypoint and command: both are the new base's if the image said neither; who says an entrypoint says the command
  too, as in a Dockerfile.

The history is the new base's, then what the image had on top of the old one's. Source: crane's rebase, which leaves the
whole configuration as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from minibuild.layers.entry import Entry, Kind
from minibuild.layers.tree import Tree
from minibuild.oci import ContainerConfig, History, Image, Layer
from minibuild.store import Store

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"

_Value = TypeVar("_Value")


def rebased(image: Image, old: Image, new: Image) -> Image:
    """The image on the layers of ``new`` instead of those of ``old``, which it begins with."""
    config = replace(
        image.config,
        config=merged(image.config.config, old.config.config, new.config.config),
        history=tuple(_history(image, old, new)),
    )
    return Image.compose(config, [*new.layers, *image.layers[len(old.layers) :]]).annotated(image.annotations)


def merged(own: ContainerConfig, old: ContainerConfig, new: ContainerConfig) -> ContainerConfig:
    """What an image's configuration is on a new base."""
    said_entrypoint = own.entrypoint != old.entrypoint
    said_command = said_entrypoint or own.command != old.command
    environment = _by_name(dict(own.environment), dict(old.environment), dict(new.environment))
    return replace(
        own,
        user=_either(own.user, old.user, new.user),
        directory=_either(own.directory, old.directory, new.directory),
        stop_signal=_either(own.stop_signal, old.stop_signal, new.stop_signal),
        healthcheck=_either(own.healthcheck, old.healthcheck, new.healthcheck),
        shell=_either(own.shell, old.shell, new.shell),
        entrypoint=own.entrypoint if said_entrypoint else new.entrypoint,
        command=own.command if said_command else new.command,
        environment=tuple(environment.items()),
        labels=MappingProxyType(_by_name(own.labels, old.labels, new.labels)),
        exposed_ports=_names(own.exposed_ports, old.exposed_ports, new.exposed_ports),
        volumes=_names(own.volumes, old.volumes, new.volumes),
    )


def risks(image: Image, old: Image, new: Image, store: Store) -> Iterator[str]:
    """What may be wrong with the image on the new base, as ends of sentences that it begins."""

    def tree(layers: Sequence[Layer]) -> Tree:
        return Tree([(layer, store.index(layer)) for layer in layers], store.open_tar)

    upper = image.layers[len(old.layers) :]
    before, after, own = tree(old.layers), tree(new.layers), list(tree(upper).walk(""))
    changed = [entry.path for entry in own if entry.kind is not Kind.DIRECTORY and _differ(entry.path, before, after)]
    yield from _told("hides what the new base changed: {}", changed)
    yield from _told("has files below what is no directory in the new base: {}", _blocked(own, before, after))
    deleted = {path for layer in upper for path in store.index(layer).whiteouts}
    missing = [
        path for path in sorted(deleted) if before.find(path, follow=False) and not after.find(path, follow=False)
    ]
    yield from _told("deletes what the new base hasn't: {}", missing)
    variables = [dict(one.config.config.environment) for one in (image, old, new)]
    yield from _told("sets variables that the new base changed: {}", list(_contested(*variables)))
    if new.config.config.on_build != old.config.config.on_build:
        yield "was built without the ONBUILD instructions of the new base"


def _history(image: Image, old: Image, new: Image) -> Iterator[History]:
    """The new base's lines, then the image's own; none where they wouldn't tell of all layers."""
    if not image.config.history or (new.layers and not new.config.history):
        return
    yield from new.config.history
    own, others = image.config.history, old.config.history
    if own[: len(others)] == others:
        yield from own[len(others) :]
        return
    number = 0
    for line in own:
        if number >= len(old.layers):
            yield line
        number += not line.empty_layer


def _either(own: _Value, old: _Value, new: _Value) -> _Value:
    return new if own == old else own


def _by_name(own: Mapping[str, str], old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The new base's in their order, then what the image has besides."""
    said = {name: value for name, value in own.items() if old.get(name) != value}
    dropped = old.keys() - own.keys()
    return {**{name: said.get(name, value) for name, value in new.items() if name not in dropped}, **said}


def _names(own: Sequence[str], old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    return tuple(_by_name(dict.fromkeys(own, ""), dict.fromkeys(old, ""), dict.fromkeys(new, "")))


def _contested(own: Mapping[str, str], old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """The names that both gave another value."""
    for name, value in own.items():
        if name in old and old[name] not in (value, new.get(name)) and value != new.get(name):
            yield name


def _differ(path: str, before: Tree, after: Tree) -> bool:
    """Both have something at a path, and not the same: times don't count."""
    one, other = before.find(path, follow=False), after.find(path, follow=False)
    return one is not None and (other is None or _essence(one) != _essence(other))


def _essence(entry: Entry) -> Entry:
    return entry._replace(mtime=0, offset=-1)


def _blocked(own: Sequence[Entry], before: Tree, after: Tree) -> Sequence[str]:
    """The directories of the image's own that the new base has something else for: a symbolic link, mostly."""
    paths = {entry.path for entry in own if entry.kind is Kind.DIRECTORY}
    return sorted(path for path in paths if _is_other(after, path) and not _is_other(before, path))


def _is_other(tree: Tree, path: str) -> bool:
    found = tree.find(path, follow=False)
    return found is not None and found.kind is not Kind.DIRECTORY


def _told(sentence: str, paths: Sequence[str], most: int = 5) -> Iterator[str]:
    if paths:
        more = f" and {len(paths) - most} more" if len(paths) > most else ""
        yield sentence.format(", ".join(paths[:most]) + more)
