"""Fetches a commit by the git program: shallow, in an environment of its own, by protocols that are allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.build.journal import Activity
from minibuild.build.remote.http import shown
from minibuild.build.remote.inside import inside
from minibuild.errors import ContextError, UnavailableError, did_you_mean
from minibuild.instructions.git_place import GitPlace
from minibuild.registry.failures import printable
from minibuild.registry.offline import is_offline
from minibuild.runtimes.base import Cancellation
from minibuild.store.blobs import disk_explained
from minibuild.values import dataclass

if TYPE_CHECKING:
    from subprocess import Popen

PROTOCOLS = ("https", "http", "ssh", "git")
"""``file`` is none of them: a repository of this machine can lead to any file of it (CVE-2022-39253)."""

_PASSED_ON = ("PATH", "HOME", "SSH_AUTH_SOCK", *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO", "ALL")))
_OWN = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=10",
}
_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "core.symlinks": "true",
    "gc.auto": "0",
    "advice.detachedHead": "false",
    "init.defaultBranch": "main",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
}
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_EVERYTHING = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
# What git says → what helps.
_HINTS: Mapping[str, str] = {
    "could not read Username": "it is private, or doesn't exist: --secret id=GIT_AUTH_TOKEN,env=… lets us in",
    "Authentication failed": "its token is refused",
    "Permission denied (publickey": "load your key into the ssh agent: ssh-add",
    "Host key verification failed": "make its host known first: ssh-keyscan HOST >>~/.ssh/known_hosts",
    "not allowed": f"these are: {', '.join(PROTOCOLS)}",
    "repository not found": "look for the address in a browser",
    "Could not resolve host": "see if its name is written right; HTTPS_PROXY names a proxy",
    "onnect to": "see if it can be reached from here; HTTPS_PROXY names a proxy",
}


@dataclass(frozen=True, slots=True)
class Revision:
    """What a place's ref stands for: its full name ("" for a commit that was named itself), the digest of what it
    names (an annotated tag's own), and that of the commit.
    """

    name: str
    digest: str
    commit: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """Files of a commit: the directory that was asked for, and the commit."""

    root: Path
    commit: str


class Git:
    """Asks repositories, with what the caller's ``environment`` has of PATH, proxies and the ssh agent.

    ``secrets`` may have ``GIT_AUTH_TOKEN`` and ``GIT_AUTH_HEADER``, for one host with ``.HOST`` at the end.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        cancellation: Cancellation,
        *,
        secrets: Mapping[str, str] | None = None,
        protocols: Sequence[str] = PROTOCOLS,
    ) -> None:
        self._environment, self._cancellation = environment, cancellation
        self._secrets, self._protocols = secrets or {}, protocols

    def resolve(self, place: GitPlace) -> Revision | None:
        """What the ref stands for now, asked of the remote; None where it is part of a commit's digest, which only a
        fetch tells. Raises ContextError where there is no such ref.
        """
        self._check_protocol(place)
        if is_offline(self._environment):
            raise ContextError(f"{shown(place.remote)} is not asked: --offline", hint="leave --offline out")
        if _DIGEST.fullmatch(place.ref):
            return Revision("", place.ref, place.ref)
        ref = place.ref or "HEAD"
        found = self._listed(place, ref, f"{ref}^{{}}")
        # A branch goes before a tag of the same name, as for `git checkout`.
        for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}"):
            if name in found:
                return _checked(place, Revision(name, found[name], found.get(f"{name}^{{}}", found[name])))
        if re.fullmatch(r"[0-9a-f]{7,63}", ref):
            return None
        names = [name.split("/", 2)[2] for name in self._listed(place, "refs/heads/*", "refs/tags/*")]
        hint = did_you_mean(ref, names) or f"it has {', '.join(names[:5])}" if names else "it is empty"
        raise ContextError(f"{shown(place.remote)} has no branch or tag {ref!r}", hint=hint)

    def check_out(
        self, place: GitPlace, directory: Path, *, keep_git: bool = False, activity: Activity | None = None
    ) -> Checkout:
        """The commit's files, in a new directory below ``directory``; raises ContextError where they can't be had."""
        from tempfile import mkdtemp

        revision = self.resolve(place)
        with disk_explained(directory):
            root = Path(mkdtemp(dir=directory, prefix="git-"))
            root.chmod(0o755)
        commit = self._fetch(place, revision, root)
        if activity:
            activity.output(f"{commit} {place.ref or 'HEAD'}", "stdout")
        self._git(place, root, "checkout", "-q", "--detach", "--force", commit, "--")
        if place.submodules and (root / ".gitmodules").is_file():
            self._git(place, root, "submodule", "update", "-q", "--init", "--recursive", "--depth=1", "--", ".")
        if place.dates_by_commit:
            _date(root, int(self._git(place, root, "show", "-s", "--format=%ct", commit, "--")))
        if keep_git or place.keeps_git:
            self._tidy(place, root)
        else:
            _forget_git(root)
        return Checkout(inside(root, place.directory, f"directory of {shown(place.remote)}"), commit)

    def _check_protocol(self, place: GitPlace) -> None:
        if place.scheme not in self._protocols:
            raise ContextError(
                f"{shown(place.remote)} is asked by {place.scheme}, which is not allowed",
                hint=f"these are: {', '.join(self._protocols)}; a directory of this machine is named by its path",
            )

    def _listed(self, place: GitPlace, *patterns: str) -> dict[str, str]:
        """The digests that the remote's refs of these patterns have."""
        lines = self._git(place, None, "ls-remote", "-q", "--", place.remote, *patterns).splitlines()
        return {name: digest for digest, _, name in (line.partition("\t") for line in lines)}

    def _fetch(self, place: GitPlace, revision: Revision | None, root: Path) -> str:
        """Brings a commit and what it needs into a new repository; answers the commit's digest."""
        kind = ["--object-format=sha256"] if revision and len(revision.commit) == 64 else []
        self._git(place, root, "init", "-q", "--template=", *kind, ".")
        self._git(place, root, "config", "remote.origin.url", place.remote)
        fetch = ("fetch", "-q", "--no-tags", "--no-recurse-submodules")
        wanted = place.ref
        if revision is not None:
            wanted = revision.commit if not revision.name else "FETCH_HEAD"
            refspec = f"+{revision.name}:{_kept_as(revision.name)}" if revision.name else revision.commit
            try:
                self._git(place, root, *fetch, "--depth=1", "--", "origin", refspec)
            except ContextError:
                # Servers may refuse to give commits that no ref names, or to give anything without its past.
                refspecs = _EVERYTHING if not revision.name else (refspec,)
                self._git(place, root, *fetch, "--", "origin", *refspecs)
        else:
            self._git(place, root, *fetch, "--", "origin", *_EVERYTHING)
        try:
            commit = self._git(place, root, "rev-parse", "--verify", "--end-of-options", f"{wanted}^{{commit}}").strip()
        except ContextError:
            raise ContextError(f"{shown(place.remote)} has no commit {wanted}") from None
        _checked(place, Revision(wanted, revision.digest if revision else commit, commit))
        return commit

    def _tidy(self, place: GitPlace, root: Path) -> None:
        """Leaves in ``.git`` what a clone would have, and no trace of when and how it was made."""
        for name in ("FETCH_HEAD", "ORIG_HEAD"):
            (root / ".git" / name).unlink(missing_ok=True)
        self._git(place, root, "reflog", "expire", "--all", "--expire=now")

    def _git(self, place: GitPlace, directory: Path | None, *arguments: str) -> str:
        """What git prints; raises ContextError with what it complains of, KeyboardInterrupt when cancelled."""
        import subprocess

        environment = self._clean_environment(place)
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                cwd=directory or "/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                umask=0o022,
            )
        except FileNotFoundError as error:
            raise UnavailableError(
                "git isn't installed, and a git address needs it", hint="install it: apt-get install git"
            ) from error
        with self._cancellation.telling(lambda: _kill(process)):
            if self._cancellation:
                _kill(process)
            try:
                output, errors = process.communicate()
            except BaseException:  # of the thread that waits: git is in a session of its own, and would go on
                _kill(process)
                raise
        if self._cancellation:
            raise KeyboardInterrupt
        if process.returncode:
            raise _complaint(place, errors.decode("utf-8", "replace"))
        return output.decode("utf-8", "surrogateescape")

    def _clean_environment(self, place: GitPlace) -> dict[str, str]:
        given = {**self._environment}
        passed = {name: given[name] for name in (*_PASSED_ON, *map(str.lower, _PASSED_ON)) if given.get(name)}
        passed.setdefault("PATH", os.defpath)
        for name, theirs in (("SSL_CERT_FILE", "GIT_SSL_CAINFO"), ("SSL_CERT_DIR", "GIT_SSL_CAPATH")):
            if given.get(name):
                passed[theirs] = given[name]
        settings = {**_CONFIGURATION, **self._authorization(place)}
        # By the environment, not by arguments: those everybody on this machine can see.
        numbered = {f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(settings)}
        numbered |= {f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(settings.values())}
        allowed = {"GIT_ALLOW_PROTOCOL": ":".join(self._protocols), "GIT_CONFIG_COUNT": str(len(settings))}
        return {**passed, **_OWN, **allowed, **numbered}

    def _authorization(self, place: GitPlace) -> dict[str, str]:
        """The setting that carries credentials to the remote's own host, and no other."""
        if place.scheme not in ("http", "https"):
            return {}
        host = place.remote.partition("://")[2].partition("/")[0]
        header = _header(place.credentials, self._secrets, host)
        if not header:
            return {}
        return {f"http.{place.scheme}://{host}/.extraHeader": f"Authorization: {header}"}


def _header(credentials: str, secrets: Mapping[str, str], host: str) -> str:
    """The value of ``Authorization`` for a host; "" where there is none to give. Source: buildkit, source/git."""
    from base64 import b64encode
    from urllib.parse import unquote

    for suffix in (f".{host}", ""):
        if header := secrets.get(f"GIT_AUTH_HEADER{suffix}", "").strip():
            return header
        if token := secrets.get(f"GIT_AUTH_TOKEN{suffix}", "").strip():
            return "Basic " + b64encode(f"x-access-token:{token}".encode()).decode()
    if not credentials:
        return ""
    user, _, password = credentials.partition(":")
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _kept_as(name: str) -> str:
    """The ref that a remote's ref is kept as, as a clone would."""
    return name.replace("refs/heads/", "refs/remotes/origin/", 1) if name != "HEAD" else "refs/remotes/origin/HEAD"


def _checked(place: GitPlace, revision: Revision) -> Revision:
    if not any(digest.startswith(place.commit) for digest in (revision.digest, revision.commit)):
        raise ContextError(
            f"{shown(place.remote)} has commit {revision.commit} at {place.ref or 'HEAD'}, wanted {place.commit}",
            hint="a branch or tag was moved, or the commit is another's: look before you change it",
        )
    return revision


def _complaint(place: GitPlace, said: str) -> ContextError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"fatal:|error:|remote:|ssh:|Host key|.*Permission denied", line)]
    words = printable(re.sub(r"^(fatal|error): ", "", (telling or lines or ["it says nothing"])[0]))
    # What git quotes may have the credentials of the address in it.
    words = re.sub(r"://[^/\s@]*@", "://", words)
    hint = next((hint for mark, hint in _HINTS.items() if mark in said), "")
    return ContextError(f"{shown(place.remote)} can't be fetched by git: {words}", hint=hint)


def _kill(process: Popen[bytes]) -> None:
    from contextlib import suppress
    from signal import SIGKILL

    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, SIGKILL)


def _forget_git(root: Path) -> None:
    """Removes what git keeps for itself: the repository, and the files that lead submodules to theirs."""
    from minibuild.sandbox.scratch import remove_tree

    for directory, names, files in os.walk(root):
        if ".git" in names:
            names.remove(".git")
            path = Path(directory, ".git")
            if not path.is_symlink():
                remove_tree(path)
        if ".git" in files:
            os.unlink(Path(directory, ".git"))


def _date(root: Path, seconds: int) -> None:
    for directory, names, files in os.walk(root, topdown=False):
        if ".git" in names:
            names.remove(".git")
        for name in (*files, *names):
            os.utime(Path(directory, name), (seconds, seconds), follow_symlinks=False)
    os.utime(root, (seconds, seconds))
