"""What a build tells when it ends: to people, to scripts, and to those who ask for a file of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from minibuild.build.request import BuildResult, Target
from minibuild.cli.display.text import visible
from minibuild.cli.outputs import Output
from minibuild.cli.units import human_size
from minibuild.errors import UsageError
from minibuild.oci import AnyImage, Image, Reference
from minibuild.oci.index import listed


def summary(result: BuildResult, target: Target, outputs: Sequence[Output]) -> str:
    """The end of a build: what came out, how much was cached, and what to type next."""
    image = target.image
    rows = [
        *([("target", target.title)] if len(result.targets) > 1 else []),
        *_identity(image),
        *(("tag", tag.familiar()) for tag in target.tags),
        *(("pushed", name.with_digest(image.digest).familiar()) for name in names_of(target, outputs) if not name.tag),
        ("size", _size(image)),
        ("steps", f"{result.cached} of {result.steps} cached"),
        *((output.type, output.destination) for output in outputs if output.destination),
    ]
    lines = ["", *(f"{name:<8}{value}" for name, value in rows)]
    lines += [
        f"\ndocker load -i {_quoted(output.destination)}"
        for output in outputs
        if output.type == "docker" and output.is_file
    ]
    return "\n".join(lines)


def _identity(image: AnyImage) -> Iterator[tuple[str, str]]:
    if isinstance(image, Image):
        yield from (("image", image.id), ("digest", image.digest))
        return
    yield "index", image.digest
    for one in image.images:
        yield "for", f"{visible(str(one.config.platform))}  {one.digest}  {_size(one)}"


def _size(image: AnyImage) -> str:
    layers = {layer.descriptor.digest for one in image.images for layer in one.layers}
    return f"{human_size(image.size)} in {_counted(len(layers), 'layer')}"


def check_files(arguments: argparse.Namespace) -> None:
    """Raises UsageError for files that can't be written, before anything is built for them."""
    for name in ("iidfile", "digest_file", "metadata_file"):
        file, option = getattr(arguments, name), "--" + name.replace("_", "-")
        if file and not Path(file).parent.is_dir():
            raise UsageError(f"{option} {file}: there is no directory {Path(file).parent}", hint="make it first")


def write_files(arguments: argparse.Namespace, result: BuildResult, outputs: Mapping[int, Sequence[Output]]) -> None:
    """Writes the files that were asked for; ``outputs`` are where the targets went, by their indices."""
    if arguments.iidfile:
        Path(arguments.iidfile).write_text(result.image.id)
    if arguments.digest_file:
        Path(arguments.digest_file).write_text(result.image.digest)
    if arguments.metadata_file:
        Path(arguments.metadata_file).write_text(json.dumps(metadata(result, outputs), indent=2) + "\n")


def metadata(result: BuildResult, outputs: Mapping[int, Sequence[Output]]) -> dict[str, object]:
    """The keys that ``docker buildx build --metadata-file`` writes, as far as they mean something here.

    Of several targets each has its own, under the target's name, as ``docker buildx bake`` does.
    """
    documents = {target.title: _metadata(target, outputs[target.index]) for target in result.targets}
    return dict(documents) if len(documents) > 1 else documents[result.targets[0].title]


def names_of(target: Target, outputs: Iterable[Output]) -> tuple[Reference, ...]:
    """What the target is called where it went, or else in the store."""
    images = [output for output in outputs if output.type in ("image", "registry")]
    named = [name for output in images for name in output.references(target.tags)]
    return tuple(dict.fromkeys(named or target.tags))


def _metadata(target: Target, outputs: Sequence[Output]) -> dict[str, object]:
    image, names = target.image, names_of(target, outputs)
    document: dict[str, object] = {"containerimage.config.digest": image.id} if isinstance(image, Image) else {}
    document |= {
        "containerimage.descriptor": (listed(image) if isinstance(image, Image) else image.descriptor).encode(),
        "containerimage.digest": image.digest,
    }
    return {**document, **({"image.name": ",".join(map(str, names))} if names else {})}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
