"""minibuild builds container images from Dockerfiles with no daemon.

::

    text ─parse─▶ statements ─▶ instructions ─plan─▶ steps ─perform─▶ layers ─append─▶ Image ─export─▶ places
          pure          pure, one window: lookup(name) → Image      effects        pure            effects

Eighteen instructions compile, purely, to three effects — run a command, copy files, make a directory — plus a
change of the image configuration, so everything but the files' content is known before anything runs. A layer is
data: a tar and the table of its entries. COPY, ADD and WORKDIR are worked out on those tables; a root filesystem is
mounted only when a RUN needs one, and its layer is written while the next step already runs. Every step ends in an
image of its own.

The rooms, lowest first: each imports only from lines above its own, and rooms on one line don't know each other
(``tests/test_architecture.py`` holds it):

 1. ``values``: frozen classes that cost little; ``source``: a text with a name, ranges in it
 2. ``errors``: the error family, with exit codes and places; ``events``: what happens, as values
 3. ``dockerfile``: text → statements; ``oci``: an image, as values
 4. ``instructions``: what each says and means; ``layers``: file trees ⇄ tar
 5. ``registry``: the distribution protocol; ``plan``: stages, steps, keys; ``comparing``: what two images differ in
 6. ``checks``: what to warn of; ``inventory``: which packages an image holds; ``store``: blobs, names, cache records
 7. ``sandbox``: user namespaces, mounts and other syscalls that Python lacks
 8. ``snapshots``: a chain of layers as a tree on disk; ``runtimes``: a process in a tree; ``transports``: where images
    come from and go to
 9. ``build``: the imperative shell that performs a plan
10. this front door: ``build()``, ``parse()``, the errors
11. ``cli``: arguments → values, and the displays

The nouns:

===================  =============================================================================================
source, span         a text with a name; a range in it, which errors point with
statement            one logical line of a Dockerfile: keyword, flags, body, here-documents, span
instruction          a frozen class that says what a statement means
effect               RunCommand, CopyFiles or MakeDirectory: what an instruction does to the file tree
step                 an instruction placed in a stage: its effect, the configuration after it, its history line
stage, plan          a FROM and its steps; the stages that a target needs, with edges
blob, descriptor     bytes named by their sha256; (media type, digest, size in bytes, annotations)
layer                a blob's descriptor and a ``diff_id``, the digest of the uncompressed tar
entry, index, tree   a path in a layer; the table of a layer's entries; many indices read as one filesystem
chain                the name of a whole tree on disk: a ChainID, or for a step that ran, a fresh one of its result
key                  names what a step is asked to do: sha256 of (parent's key, effect, inputs)
snapshot, workspace  a chain as a mounted, read-only tree; a writable one on top, committed or thrown away
pool, volume         room that many share; what takes some of it as it is written to: devicemapper's trees
image, image index   a configuration and the layers it is of; several platforms' images under one name
inventory, package   what an image holds; one of it, named by its purl
attestation          a manifest in an index that says something of an image beside it, in in-toto statements
reference            ``[registry/]repository[:tag][@digest]``; ``familiar()`` for people, ``str()`` for machines
===================  =============================================================================================

From Python::

    import minibuild

    image = minibuild.build(".", tags=["app:1"], build_args={"VERSION": "1"})
    print(image.id, image.config.config.labels)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

# Now, before build() is defined: whoever imported the package first, later, would put it in the function's place.
import minibuild.build  # noqa: F401
from minibuild.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from minibuild.dockerfile import Dockerfile
    from minibuild.errors import (
        CommandFailed,
        ContextError,
        DockerfileError,
        ImageError,
        IntegrityError,
        MinibuildError,
        RegistryError,
        UnavailableError,
        UsageError,
    )
    from minibuild.events import Event, Progress
    from minibuild.oci import Image

__all__ = [
    "CommandFailed",
    "ContextError",
    "Dockerfile",
    "DockerfileError",
    "Event",
    "Image",
    "ImageError",
    "IntegrityError",
    "MinibuildError",
    "Progress",
    "RegistryError",
    "UnavailableError",
    "UsageError",
    "__version__",
    "build",
    "parse",
]

# Whence the public names come, imported when they are first asked for: the command line's start must not pay for them.
_HOMES = {
    "Dockerfile": "minibuild.dockerfile",
    "Event": "minibuild.events",
    "Image": "minibuild.oci",
    "Progress": "minibuild.events",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'minibuild' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "minibuild.errors")), name)


def parse(text: str, name: str = "Dockerfile") -> Dockerfile:
    """The statements of a Dockerfile's text; raises DockerfileError, with all that is wrong as ``others``."""
    from minibuild.dockerfile import parse as parse_source
    from minibuild.source import Source

    return parse_source(Source(name, text))


def build(
    context: str | PathLike[str],
    *,
    dockerfile: str = "",
    tags: Sequence[str] = (),
    build_args: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    target: str = "",
    platform: str = "",
    build_contexts: Mapping[str, str] | None = None,
    cache_from: Sequence[str] = (),
    cache_to: Sequence[str] = (),
    no_cache: bool = False,
    pull: bool = False,
    registry_mirrors: Sequence[str] = (),
    secrets: Mapping[str, str | bytes | PathLike[str]] | None = None,
    archive: str | PathLike[str] | None = None,
    root: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Image:
    """Builds a Dockerfile's image into the store, and answers it.

    The words mean what those of ``minibuild build`` mean. ``dockerfile`` "" is the context's own; ``platform`` ""
    this machine's; ``root`` None the user's store; ``progress`` gets every event, from several threads but one at a
    time. ``secrets`` are what RUN --mount=type=secret sees, by their ids: a path is a file, text and bytes are the
    value. ``archive`` is a file to write the image to as well, for ``docker load`` and OCI tools. Raises
    MinibuildError: its ``message``, ``hint`` and ``span`` say what a person needs to know.
    """
    import os
    from pathlib import Path

    from minibuild.build.engine import build as build_request
    from minibuild.build.request import BuildRequest
    from minibuild.build.surroundings import Secret, Surroundings
    from minibuild.build.travelling.exporting import export_caches
    from minibuild.build.travelling.place import Access
    from minibuild.build.travelling.wishes import parse_caches
    from minibuild.events import silent
    from minibuild.oci import Platform, Reference
    from minibuild.runtimes.base import Cancellation
    from minibuild.sandbox.userns import user_id
    from minibuild.store import Store, data_directory
    from minibuild.transports.docker_archive import DockerArchive

    request = BuildRequest(
        context=os.fspath(context),
        dockerfile=dockerfile,
        tags=tuple(map(Reference.parse, tags)),
        build_arguments=build_args or {},
        environment=os.environ,
        labels=labels or {},
        target=target,
        platform=Platform.parse(platform) if platform else Platform.of_this_machine(),
        named_contexts=build_contexts or {},
        caches=parse_caches(cache_from, cache_to),
        no_cache=no_cache,
        pull=pull,
        mirrors=tuple(registry_mirrors),
        surroundings=Surroundings(secrets={name: Secret.of(given) for name, given in (secrets or {}).items()}),
    )
    with Store.at(data_directory(os.environ, user_id()) if root is None else Path(root)) as store:
        result = build_request(request, store, progress or silent, Cancellation())
        [image] = result.image.images
        if archive is not None:
            DockerArchive(Path(archive)).export(image, request.tags, store, silent)
        export_caches(request.caches, result.collected, Access.of(request), store, silent)
    return image
