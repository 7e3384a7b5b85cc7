"""``minibuild images``: what is in the store, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from minibuild.cli.listing import listing
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template_functions import Record
from minibuild.cli.times import parse_time, since
from minibuild.cli.units import human_size
from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import AnyImage, ImageIndex, Reference

_HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Platforms": "PLATFORMS",
}
_NONE = "<none>"
_FILTERS = ("dangling", "label", "reference")
Named = tuple[Reference | None, AnyImage]


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("images", "Lists the images in the store, newest first.", "[REFERENCE]", most=1)
    add = parser.add_argument
    add(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label=KEY[=VALUE], reference=PATTERN, dangling=BOOL; repeatable",
    )
    add("-q", "--quiet", action="store_true", help="print IDs alone")
    add("--no-trunc", action="store_true", help="print whole IDs")
    add("--digests", action="store_true", help="show digests of manifests")
    add("-a", "--all", action="store_true", help="accepted for docker's sake: all are listed anyway")
    add("--format", metavar="FORM", default="", help="table, json, or a Go template; fields: " + ", ".join(_HEADINGS))
    add("--json", action="store_true", help="the same as --format json")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Lists what the filters let through."""
    words = [*arguments.filter, *(f"reference={word}" for word in arguments.operands)]
    passes = _filter(words)
    with session.store() as store:
        found = [named for named in store.images.listed() if passes(named)]
    found.sort(key=lambda named: _created(named[1]), reverse=True)
    now = datetime.now(UTC)
    rows = [_row(named, now, whole=arguments.no_trunc) for named in found]
    if arguments.quiet:
        ids = dict.fromkeys(str(row["ID"]) for row in rows)
        session.output.write("".join(f"{identity}\n" for identity in ids))
        return 0
    shown = ["Repository", "Tag", *(["Digest"] if arguments.digests else []), "ID", "CreatedSince", "Size"]
    shown += ["Platforms"] if any(isinstance(image, ImageIndex) for _, image in found) else []
    session.output.write(listing(rows, "json" if arguments.json else arguments.format, _HEADINGS, shown))
    return 0


def _row(named: Named, now: datetime, *, whole: bool) -> Record:
    reference, image = named
    familiar = reference.with_tag("").familiar() if reference else _NONE
    created = parse_time(_created(image))
    return Record(
        {
            "Repository": familiar,
            "Tag": (reference.tag if reference else "") or _NONE,
            "Digest": str(image.digest),
            "ID": str(image.id) if whole else image.id.short,
            "CreatedSince": since(created, now),
            "CreatedAt": created.strftime("%Y-%m-%d %H:%M:%S %z UTC") if created else "N/A",
            "Size": human_size(image.size),
            "Platforms": ", ".join(_platforms(image)),
        }
    )


def _created(image: AnyImage) -> str:
    return max(one.config.created for one in image.images)


def _platforms(image: AnyImage) -> Sequence[str]:
    return image.platforms if isinstance(image, ImageIndex) else (str(image.config.platform),)


def _filter(words: Sequence[str]) -> Callable[[Named], bool]:
    tests: dict[str, list[Callable[[Named], bool]]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in _FILTERS:
            hint = did_you_mean(key, _FILTERS) or f"filters are {', '.join(_FILTERS)}"
            raise UsageError(f"--filter {word!r} is no filter, wanted KEY=VALUE", hint=hint)
        test = {"dangling": _dangling, "label": _labelled, "reference": _called}[key](value)
        tests.setdefault(key, []).append(test)
    # As docker has it: every label must be there, of several patterns one must fit.
    joined = {"label": all, "reference": any, "dangling": all}
    return lambda named: all(joined[key](test(named) for test in own) for key, own in tests.items())


def _dangling(value: str) -> Callable[[Named], bool]:
    if value.lower() not in ("true", "false", "1", "0"):
        raise UsageError(f"--filter dangling={value} wants true or false")
    wanted = value.lower() in ("true", "1")
    return lambda named: (named[0] is None) == wanted


def _labelled(value: str) -> Callable[[Named], bool]:
    key, equals, text = value.partition("=")

    def test(named: Named) -> bool:
        found = [image.config.config.labels.get(key) for image in named[1].images]
        return any(value is not None and (not equals or value == text) for value in found)

    return test


def _called(pattern: str) -> Callable[[Named], bool]:
    # As path.Match: a * stops at a slash, so the parts are compared one by one.
    def test(named: Named) -> bool:
        if named[0] is None:
            return False
        names = {name for full in (named[0].familiar(), str(named[0])) for name in (full, full.rpartition(":")[0])}
        return any(_fits(name, pattern) for name in names)

    return test


def _fits(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
