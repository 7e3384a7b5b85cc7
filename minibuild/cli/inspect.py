"""``minibuild inspect``: an image in the JSON shape that ``docker image inspect`` gives it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from minibuild.cli.finding import find_any, image_for
from minibuild.cli.options import add_platform, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template import Template
from minibuild.cli.template_functions import Record, to_json
from minibuild.errors import ImageError
from minibuild.oci import ContainerConfig, Descriptor, Healthcheck, Image, Reference


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "inspect", "Shows images as JSON, in the shape of docker image inspect.", "IMAGE…", least=1, most=None
    )
    add = parser.add_argument
    add(
        "-f", "--format", metavar="FORM", default="", help="json, or a Go template such as '{{.Config.Labels.version}}'"
    )
    add_platform(add, "which of several platforms")
    add("--type", metavar="image", choices=("image",), default="image", help="accepted for docker's sake")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Shows all that are found, then says what is not."""
    template = Template.parse(arguments.format) if arguments.format not in ("", "json") else None
    platform = platform_of(arguments, session.environment)
    records, missing = [], []
    with session.store() as store:
        for word in arguments.operands:
            try:
                found = find_any(store, word)
                image = image_for(found, word, platform)
            except ImageError as error:
                missing.append(error)
                continue
            records.append(image_record(image, store.images.names(found), found.descriptor))
    if template is not None:
        session.output.write("".join(template.render(record) + "\n" for record in records))
    else:
        session.print(to_json(records, indent=None if arguments.format == "json" else 4))
    if missing:
        raise ImageError.together(missing)
    return 0


def image_record(image: Image, names: Sequence[Reference], listed: Descriptor) -> Record:
    """What docker says of an image, under docker's names; ``listed`` points at what the names stand for, which is the
    image, or an index that it is in.
    """
    config = image.config
    return Record(
        {
            "Id": str(image.id),
            "RepoTags": [name.familiar() for name in names],
            "RepoDigests": list(dict.fromkeys(name.with_digest(listed.digest).familiar() for name in names)),
            "Parent": "",
            "Comment": config.history[-1].comment if config.history else "",
            "Created": config.created,
            "Author": config.author,
            "Config": _config_record(config.config),
            "Architecture": config.platform.architecture,
            "Variant": config.platform.variant,
            "Os": config.platform.os,
            "Size": image.size,
            "RootFS": Record({"Type": "layers", "Layers": [str(diff_id) for diff_id in config.diff_ids]}),
            "Descriptor": Record(
                {"mediaType": str(listed.media_type), "digest": str(listed.digest), "size": listed.size}
            ),
        },
        optional=("Variant",),
    )


def _config_record(config: ContainerConfig) -> Record:
    def listed(words: tuple[str, ...] | None) -> list[str] | None:
        return list(words) if words is not None else None

    return Record(
        {
            "User": config.user,
            "ExposedPorts": {port: {} for port in config.exposed_ports},
            "Env": [f"{name}={value}" for name, value in config.environment],
            "Cmd": listed(config.command),
            "Healthcheck": None if config.healthcheck is None else _healthcheck_record(config.healthcheck),
            "ArgsEscaped": config.args_escaped,
            "Volumes": {volume: {} for volume in config.volumes} or None,
            "WorkingDir": config.directory,
            "Entrypoint": listed(config.entrypoint),
            "OnBuild": list(config.on_build) or None,
            "Labels": dict(config.labels) or None,
            "StopSignal": config.stop_signal,
            "Shell": list(config.shell) or None,
        },
        optional=("ExposedPorts", "Healthcheck", "ArgsEscaped", "StopSignal", "Shell"),
    )


def _healthcheck_record(check: Healthcheck) -> Record:
    fields = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return Record(fields, optional=tuple(fields))
