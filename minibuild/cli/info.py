"""``minibuild info``: what this machine can do, and why it can't do the rest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from minibuild.build import daemon
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template import Template
from minibuild.cli.template_functions import Record, to_json
from minibuild.cli.units import human_size
from minibuild.oci import Platform
from minibuild.version import __version__


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("info", "Shows which runtimes, snapshotters and private networks work here, and why others don't.")
    parser.add_argument("-f", "--format", metavar="FORM", default="", help="json, or a Go template")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Probes everything anew, and says what came out."""
    record = _record(session)
    if arguments.format == "json":
        session.print(to_json(record))
    elif arguments.format:
        session.print(Template.parse(arguments.format).render(record))
    else:
        session.output.write(_told(record))
    return 0


def _record(session: Session) -> Record:
    from minibuild import runtimes, snapshots
    from minibuild.build.daemon.session import probe
    from minibuild.sandbox.userns import user_id

    with session.store() as store:
        remote = (daemon.NAME, probe(session.environment))
        namespace = _namespace()
        usage = dict(store.usage())
        names = {str(reference) for reference, _ in store.images.list() if reference}
        kept = {image.digest for _, image in store.images.list()}
        return Record(
            {
                "Version": __version__,
                "Python": ".".join(map(str, sys.version_info[:3])),
                "Platform": str(Platform.of_this_machine()),
                "Kernel": os.uname().release,
                "User": user_id(),
                "Namespace": namespace,
                "Seccomp": _seccomp(),
                "Root": str(store.root),
                "Images": len(kept),
                "Names": len(names),
                "Usage": usage,
                "Runtimes": _probed([*runtimes.describe(), remote]),
                "Snapshotters": _probed(snapshots.describe(store.root)),
                "Networks": _probed(_networks()),
            }
        )


def _networks() -> list[tuple[str, str | None]]:
    from minibuild.sandbox.linux import is_linux

    if not is_linux():
        return []
    from minibuild.runtimes import networks

    return networks.describe()


def _namespace() -> Record:
    """The user namespace that a plain user's RUN needs, which we are in from here on; or why there can be none. ``Ids``
    0: nobody needs one; 1: owners are recorded, and ``Reason`` says why there are no more.
    """
    from minibuild.sandbox import entering

    if not entering.is_plain_user():
        return Record({"Works": True, "Ids": 0, "Reason": "", "Hint": ""})
    if error := entering.obstacle():
        return Record({"Works": False, "Ids": 0, "Reason": error.message, "Hint": error.hint})
    ids, shortage = entering.ids(), entering.shortage()
    entering.enter()
    reason, hint = (shortage.message, shortage.hint) if shortage else ("", "")
    return Record({"Works": True, "Ids": ids, "Reason": reason, "Hint": hint})


def _seccomp() -> Record:
    """Whether the kernel filters system calls."""
    from minibuild.sandbox.linux import is_linux

    if not is_linux():
        return Record({"Works": False, "Reason": "this is no Linux"})
    from minibuild.sandbox.syscalls import has_filters

    works = has_filters()
    return Record({"Works": works, "Reason": "" if works else "this kernel has no filters of system calls"})


def _probed(reasons: Sequence[tuple[str, str | None]]) -> list[Record]:
    return [Record({"Name": name, "Works": reason is None, "Reason": reason or ""}) for name, reason in reasons]


def _told(record: Record) -> str:
    usage = ", ".join(f"{human_size(size)} {what}" for what, size in record["Usage"].items())
    lines = [
        f"minibuild {record['Version']} on Python {record['Python']}",
        f"platform      {record['Platform']}, {os.uname().sysname} {record['Kernel']}, user {record['User']}",
        f"store         {record['Root']}",
        f"              {record['Images']} images under {record['Names']} names; {usage}",
    ]
    lines += _told_namespace(record["Namespace"])
    seccomp = record["Seccomp"]
    default = "Docker's profile, unless --security-opt says another (chroot and proot take none)"
    lines.append(f"{'seccomp':<14}{default if seccomp['Works'] else 'no: ' + seccomp['Reason']}")
    for kind in ("Runtimes", "Snapshotters", "Networks"):
        first = True
        for entry in record[kind]:
            chosen = " (used)" if entry["Works"] and first else ""
            first = first and not entry["Works"]
            state = f"works{chosen}" if entry["Works"] else f"no: {entry['Reason']}"
            if entry["Name"] == daemon.NAME and entry["Works"]:
                state += ": trees are the daemon's, whatever the snapshotter"
            label = kind.lower() if entry is record[kind][0] else ""
            lines.append(f"{label:<14}{entry['Name']:<15}{state}")
    return "\n".join(lines) + "\n"


def _told_namespace(namespace: Record) -> list[str]:
    from minibuild.sandbox.linux import is_linux

    if not is_linux():
        return [f"{'RUN':<14}in a docker daemon's containers, as there are none here"]
    if not namespace["Works"]:
        return [f"{'RUN':<14}not as root: {namespace['Reason']}", f"{'':<14}hint: {namespace['Hint']}"]
    ids = namespace["Ids"]
    if ids == 1:
        told = "as root of a user namespace with a single id; other owners are recorded"
        return [f"{'RUN':<14}{told}", f"{'':<14}{namespace['Reason']}", f"{'':<14}hint: {namespace['Hint']}"]
    return [f"{'RUN':<14}" + (f"as root of a user namespace with {ids} ids" if ids else "as root")]
