"""Package managers: how each is called, and what it leaves behind."""

from __future__ import annotations

from minibuild.checks.shell import Command
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager: how it is called, and what it leaves behind.

    ``installs`` and ``updates`` are verbs, of several words where they have a blank; ``with_value`` are options that
    take the next word along. ``pins`` are the characters that say a version in a word, "" where none does, and
    ``example`` shows one. ``keeps`` are directories whose files stay after an install, unless an option of
    ``keeps_nothing`` is given, the variable ``unless_set`` is, or a command of ``cleans`` follows in the same RUN;
    ``only_updates_keep``: it is the fetching of lists that leaves them. ``needs_update``: an install knows no packages
    before that.
    """

    names: tuple[str, ...]
    installs: tuple[str, ...]
    updates: tuple[str, ...] = ()
    with_value: frozenset[str] = frozenset()
    pins: str = ""
    example: str = ""
    keeps: tuple[str, ...] = ()
    keeps_nothing: tuple[str, ...] = ()
    unless_set: str = ""
    cleans: tuple[str, ...] = ()
    remedy: str = ""
    only_updates_keep: bool = False
    needs_update: bool = False

    def installed(self, command: Command) -> tuple[str, ...] | None:
        """The words behind ``install``; None where the command installs nothing."""
        words = tuple(word.value for word in command.operands(self.with_value))
        verb = next((verb for verb in self.installs if words[: verb.count(" ") + 1] == tuple(verb.split())), None)
        return None if verb is None else words[verb.count(" ") + 1 :]

    def updates_index(self, command: Command) -> bool:
        """Whether the command fetches the lists of packages, and does nothing else."""
        verbs = command.operands(self.with_value)
        return command.program in self.names and bool(verbs) and verbs[0].value in self.updates


_APT = Manager(
    names=("apt-get", "apt", "aptitude"),
    installs=("install",),
    updates=("update",),
    with_value=frozenset(("-t", "--target-release", "-o", "--option", "-c")),
    pins="=",
    example="{}=VERSION; `apt-cache policy {}` shows which there are",
    keeps=("/var/lib/apt/lists",),
    only_updates_keep=True,
    needs_update=True,
    remedy="end this RUN with && rm -rf /var/lib/apt/lists/*",
)
_APK = Manager(
    names=("apk",),
    installs=("add",),
    updates=("update",),
    with_value=frozenset(("-t", "--virtual", "-X", "--repository", "-p", "--root")),
    pins="=<>~",
    example="{}=VERSION, or {}~=1.2",
    keeps=("/var/cache/apk",),
    keeps_nothing=("--no-cache",),
    remedy="write apk add --no-cache",
)
_DNF = Manager(
    names=("dnf", "yum", "microdnf"),
    installs=("install",),
    updates=("makecache",),
    keeps=("/var/cache/dnf", "/var/cache/yum"),
    cleans=("clean",),
    remedy="end this RUN with && dnf clean all",
)
_ZYPPER = Manager(
    names=("zypper",),
    installs=("install", "in"),
    updates=("refresh", "ref"),
    pins="=<>",
    example="{}=VERSION",
    keeps=("/var/cache/zypp",),
    cleans=("clean", "cc"),
    remedy="end this RUN with && zypper clean",
)
_PIP = Manager(
    names=("pip", "pip3"),
    installs=("install",),
    with_value=frozenset(
        (
            "-r",
            "--requirement",
            "-c",
            "--constraint",
            "-e",
            "--editable",
            "-i",
            "--index-url",
            "--extra-index-url",
            "-f",
            "--find-links",
            "-t",
            "--target",
            "--prefix",
            "--root",
            "--platform",
            "--python-version",
            "--only-binary",
            "--no-binary",
            "--trusted-host",
        )
    ),
    pins="=<>~",
    example="{}==VERSION, or keep them all in a requirements.txt",
    keeps=("/root/.cache/pip", "/root/.cache"),
    keeps_nothing=("--no-cache-dir", "--no-cache", "--no-index"),
    unless_set="PIP_NO_CACHE_DIR",
    cleans=("cache",),
    remedy="write pip install --no-cache-dir",
)
_NPM = Manager(
    names=("npm",),
    installs=("install", "i", "ci", "add"),
    with_value=frozenset(("--prefix", "--registry", "-w", "--workspace")),
    pins="@",
    example="{}@VERSION",
    keeps=("/root/.npm",),
    cleans=("cache",),
    remedy="end this RUN with && npm cache clean --force, or use RUN --mount=type=cache,target=/root/.npm",
)
GEM = Manager(names=("gem",), installs=("install",), with_value=frozenset(("-i", "-n")), pins=":", example="{}:VERSION")
_YARN = Manager(
    names=("yarn", "yarnpkg"),
    installs=("add", "global add", "install", ""),
    with_value=frozenset(("--cwd", "--registry", "--cache-folder")),
    pins="@",
    example="{}@VERSION",
    keeps=("/usr/local/share/.cache/yarn", "/root/.cache/yarn", "/root/.cache", "/usr/local/share/.cache"),
    keeps_nothing=("--cache-folder",),
    unless_set="YARN_CACHE_FOLDER",
    cleans=("cache",),
    remedy="end this RUN with && yarn cache clean",
)
_CONDA = Manager(
    names=("conda", "mamba", "micromamba"),
    installs=("install", "create", "env create", "env update"),
    with_value=frozenset(("-n", "--name", "-c", "--channel", "-p", "--prefix", "-f", "--file")),
    pins="=<>",
    example="{}=VERSION",
    keeps=("/opt/conda/pkgs", "/root/miniconda3/pkgs", "/root/.conda/pkgs"),
    cleans=("clean",),
    remedy="end this RUN with && conda clean --all --yes",
)
_UV = Manager(
    names=("uv",),
    installs=("pip install", "sync", "add", "tool install"),
    with_value=_PIP.with_value | {"-p", "--python", "--group", "--extra"},
    pins="=<>~@",
    example="{}==VERSION, or keep them all in a uv.lock",
    keeps=("/root/.cache/uv", "/root/.cache"),
    keeps_nothing=("--no-cache", "-n"),
    unless_set="UV_NO_CACHE",
    cleans=("cache",),
    remedy="write uv --no-cache …, or use RUN --mount=type=cache,target=/root/.cache/uv",
)
_COMPOSER = Manager(
    names=("composer", "composer.phar"),
    installs=("install", "require", "update"),
    with_value=frozenset(("-d", "--working-dir")),
    keeps=("/root/.composer/cache", "/root/.cache/composer", "/root/.cache", "/tmp/cache"),
    keeps_nothing=("--no-cache",),
    unless_set="COMPOSER_NO_CACHE",
    cleans=("clear-cache", "clearcache", "cc"),
    remedy="write composer install --no-cache",
)
MANAGERS = (_APT, _APK, _DNF, _ZYPPER, _PIP, _NPM, GEM, _YARN, _CONDA, _UV, _COMPOSER)
