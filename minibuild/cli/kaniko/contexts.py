"""Kaniko's contexts and Dockerfiles, as ``minibuild build`` names them. Source: kaniko, pkg/buildcontext."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from os.path import join

from minibuild.errors import UsageError, did_you_mean
from minibuild.values import dataclass

# Places that other programs fetch from: the command that writes it to standard output.
_FETCHED: Mapping[str, str] = {"s3": "aws s3 cp {word} -", "gs": "gsutil cp {word} -"}
_AZURE = re.compile(r"https://[^/]+\.blob\.core\.windows\.net/")
_SCHEMES = ("dir://", "tar://", "git://", "https://")
# What --git says besides the branch, and what is done anyway.
_GIT_KEYS = ("branch", "single-branch", "depth", "recurse-submodules", "insecure-skip-tls")


@dataclass(frozen=True, slots=True)
class Context:
    """The operand of ``minibuild build``. ``is_directory``: of this machine; ``git_host`` is whom git asks, or ""."""

    word: str
    is_directory: bool = False
    git_host: str = ""


def parse_context(word: str, sub_path: str, git: str, environment: Mapping[str, str]) -> Context:
    """The context that kaniko's words mean; raises UsageError for one that is out of reach."""
    scheme, separator, rest = word.partition("://")
    if scheme in _FETCHED or _AZURE.match(word):
        command = _FETCHED.get(scheme, "curl -fsS '{word}'").format(word=word)
        hint = f"fetch it: {command} | minibuild kaniko --context tar://stdin …"
        raise UsageError(f"--context {word} is in a cloud's own storage, which isn't asked", hint=hint)
    if not separator or scheme == "dir":
        directory = rest if separator else word
        return Context(join(directory, sub_path) if sub_path else directory, is_directory=True)
    if scheme == "git" or (scheme in ("http", "https") and rest.partition("#")[0].endswith(".git")):
        how = environment.get("GIT_PULL_METHOD", "https") if scheme == "git" else scheme
        return _repository(how, rest, sub_path, _branch(git))
    if scheme not in ("tar", "https", "http"):
        hint = did_you_mean(f"{scheme}://", _SCHEMES) or f"choose from {', '.join(_SCHEMES)}"
        raise UsageError(f"--context {word} is of no kind that kaniko has", hint=hint)
    if sub_path:
        hint = "unpack it first: mkdir c && tar -xf FILE -C c, then --context dir://c"
        raise UsageError(f"--context-sub-path {sub_path} is in an archive", hint=hint)
    if scheme == "tar":
        return Context("-" if rest == "stdin" else rest)
    return Context(word)


def dockerfile_of(word: str, context: Context, located: Callable[[str], str]) -> Sequence[str]:
    """The options of ``build`` for a Dockerfile: kaniko looks where it stands first, then in the context; one that
    isn't named is looked for where it stands only for a context on this machine.
    """
    name = word or "Dockerfile"
    if name.startswith(("http://", "https://")):
        return ("-f", name)
    here = located(name) if word or context.is_directory else ""
    if here:
        return ("-f", here)
    if context.is_directory:
        return ("-f", join(context.word, name))
    return ("-f", word) if word else ()


def _repository(scheme: str, rest: str, sub_path: str, branch: str) -> Context:
    """``HOST/REPOSITORY[#REF[#COMMIT]]``, its suffix ``.git`` written out: by that minibuild tells it from a file."""
    address, *refs = rest.split("#")
    address = address.rstrip("/")
    suffix = "" if address.endswith(".git") else ".git"
    ref = refs[1] if len(refs) > 1 and refs[1] else (refs[0] if refs and refs[0] else branch)
    below = f":{sub_path.strip('/')}" if sub_path.strip("/") else ""
    fragment = f"#{ref}{below}" if ref or below else ""
    host = address.partition("/")[0].rpartition("@")[2]
    return Context(f"{scheme}://{address}{suffix}{fragment}", git_host=host)


def _branch(words: str) -> str:
    """The branch of ``--git``; raises UsageError for what it hasn't, and for what would make git trust anybody."""
    said: dict[str, str] = {}
    for word in filter(None, words.split(",")):
        key, _, value = word.partition("=")
        if key not in _GIT_KEYS:
            raise UsageError(f"--git has no {key!r}", hint=did_you_mean(key, _GIT_KEYS) or f"{', '.join(_GIT_KEYS)}")
        said[key] = value
    if said.get("insecure-skip-tls", "false").lower() not in ("false", "0"):
        hint = "SSL_CERT_FILE names a file with the certificates to be trusted"
        raise UsageError("--git insecure-skip-tls is not supported: git verifies whom it asks", hint=hint)
    return said.get("branch", "")
