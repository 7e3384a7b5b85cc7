"""The command line: arguments → values, values → text. The only room that prints.

``main`` finds the command and renders what goes wrong; each command is one small module with ``parser()`` and
``execute()``, imported only when it is asked for; ``display/`` shows a build's events, ``drawing/`` a plan. May import
every room. A new command is one module and one line in ``COMMANDS``; a package whose ``GROUP`` is such a table is a
command of several (``manifest create``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "build": ("build", "Build an image from a Dockerfile (the default: `minibuild .`)"),
        "check": ("check", "Tell what to mend in a Dockerfile, without building it"),
        "context": ("context", "List what a build would have of its context, and why not the rest"),
        "plan": ("plan", "Show what a build would do, and what of it is cached, without building"),
        "verify": ("verify", "Build twice, and tell which step first came to something else"),
        "kaniko": ("kaniko", "Build and push as kaniko's executor does, by its options"),
        "pin": ("pin", "Write the digests of images into a Dockerfile, behind their names"),
        "lock": ("lock", "Write down beside a Dockerfile what the names in it stand for"),
        "pull": ("pull", "Fetch an image from a registry into the store"),
        "login": ("login", "Keep a name and a password for a registry"),
        "logout": ("logout", "Forget them"),
        "manifest": ("manifest", "Make, change, show and push indices: one name for several platforms' images"),
        "push": ("push", "Put images of the store into registries"),
        "images": ("images", "List the images in the store"),
        "inspect": ("inspect", "Show all that is known of images, as JSON or by a template"),
        "history": ("history", "Show the steps that made an image"),
        "diff": ("diff", "Tell what two images differ in"),
        "sbom": ("sbom", "Tell which packages an image holds, as an SPDX document"),
        "tag": ("tag", "Give an image one more name"),
        "squash": ("squash", "Make one layer of an image's, or of those on top of another's"),
        "rebase": ("rebase", "Put an image on top of another base, without building it again"),
        "rmi": ("rmi", "Remove names, and images that have none left"),
        "du": ("du", "Show what takes how much room in the store"),
        "prune": ("prune", "Throw away what can be made again"),
        "save": ("save", "Write images to an archive that `docker load` accepts"),
        "load": ("load", "Read images from an archive"),
        "run": ("run", "Run a command in a container of an image"),
        "storage": ("storage", "Make and remove a thin pool for the snapshotter devicemapper"),
        "info": ("info", "Show what this machine can do: runtimes, snapshotters, the store"),
        "version": ("version", "Show the version"),
    }
)
"""Command → (its module in this package, one line of help), in the order that help shows them."""

DEFAULT_COMMAND = "build"
