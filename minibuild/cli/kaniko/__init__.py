"""``minibuild kaniko``: the job of kaniko's executor, asked for in its own words.

``flags`` is the executor's grammar; ``translation`` makes of what it read the words of ``minibuild build`` and the
environment they are meant in, purely; here that build is done, and told in the files that kaniko would have written.
Source: kaniko's README, and cmd/executor/cmd/root.go of GoogleContainerTools/kaniko and osscontainertools/kaniko.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from minibuild.cli.kaniko.flags import kaniko_parser
from minibuild.cli.kaniko.translation import Certificate, translate
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.errors import UsageError
from minibuild.oci import Reference


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    return kaniko_parser(environment)


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Builds as the words say in minibuild's own, then writes the files of digests."""
    from tempfile import TemporaryDirectory

    from minibuild.cli import build

    translation = translate(arguments, session.environment, located=_located)
    with TemporaryDirectory(prefix="minibuild-") as scratch:
        environment = {**translation.environment, **_kept(translation.certificates, Path(scratch))}
        metadata = Path(scratch) / "metadata.json"
        words = build.parser(environment).read([*translation.words, "--metadata-file", str(metadata)])
        words.notes = getattr(arguments, "notes", ())
        status = build.execute(words, replace(session, environment=environment))
        digest = json.loads(metadata.read_text())["containerimage.digest"]
    for file, text in _digest_files(arguments, digest):
        _write(file, text)
    return status


def _located(path: str) -> str:
    return str(Path(path).absolute()) if Path(path).exists() else ""


def _kept(certificates: Sequence[Certificate], scratch: Path) -> dict[str, str]:
    """Lays certificates out as registries' are kept; answers the variable that says where."""
    for certificate in certificates:
        if not Path(certificate.file).is_file():
            raise UsageError(f"{certificate.option}: there is no file {certificate.file}")
        place = scratch / "certs.d" / certificate.host
        place.mkdir(parents=True, exist_ok=True)
        (place / certificate.name).symlink_to(Path(certificate.file).absolute())
    return {"MINIBUILD_CERTS_D": str(scratch / "certs.d")} if certificates else {}


def _digest_files(arguments: argparse.Namespace, digest: str) -> Iterator[tuple[str, str]]:
    """The files that are to be written, and with what. Source: kaniko, pkg/executor/push.go."""
    names = [Reference.parse(word) for word in arguments.destination]
    if arguments.digest_file:
        yield arguments.digest_file, digest
    if arguments.image_name_with_digest_file:
        yield arguments.image_name_with_digest_file, "".join(f"{name.name}@{digest}\n" for name in names)
    if arguments.image_name_tag_with_digest_file:
        text = "".join(f"{name.name}:{name.tag}@{digest}\n" for name in names)
        yield arguments.image_name_tag_with_digest_file, text


def _write(file: str, text: str) -> None:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
