"""What is to be attested, as the words of ``--attest`` say it. Source: docker buildx build, --attest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from minibuild.errors import UsageError, did_you_mean
from minibuild.values import dataclass, replace

_TRUTHS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}
MODES = ("min", "max")


@dataclass(frozen=True, slots=True)
class Attestations:
    """What results are to have beside them. ``provenance`` is "" for none, else ``min`` or ``max``: with build
    arguments, the Dockerfile, the steps and when it was. ``builder`` is the URI of who builds.
    """

    sbom: bool = False
    provenance: str = ""
    builder: str = ""

    def __bool__(self) -> bool:
        return self.sbom or bool(self.provenance)


def parse_attestations(words: Iterable[str]) -> Attestations:
    """``type=sbom`` or ``type=provenance``, each at most once, with ``mode=``, ``builder-id=`` and ``disabled=``.

    Raises UsageError.
    """
    wishes, seen = Attestations(), set[str]()
    for word in words:
        attributes = dict(_attribute(word, text) for text in word.split(","))
        kind = attributes.pop("type", "")
        if kind not in _KINDS:
            hint = did_you_mean(kind, list(_KINDS)) or "choose from sbom, provenance"
            raise UsageError(f"--attest {word!r} has {kind!r} for a type", hint=hint)
        if kind in seen:
            raise UsageError(f"--attest has type={kind} twice", hint="--sbom and --provenance say it too: say it once")
        seen.add(kind)
        is_off = _truth(word, attributes.pop("disabled", "false"))
        asked = _KINDS[kind](word, wishes, attributes)
        wishes = wishes if is_off else asked
    return wishes


def _sbom(word: str, wishes: Attestations, attributes: Mapping[str, str]) -> Attestations:
    if "generator" in attributes:
        raise UsageError(
            f"--attest {word!r}: minibuild runs no generator, it reads the layers itself", hint="leave generator= out"
        )
    _refuse_others(word, attributes, ())
    return replace(wishes, sbom=True)


def _provenance(word: str, wishes: Attestations, attributes: Mapping[str, str]) -> Attestations:
    _refuse_others(word, attributes, ("mode", "builder-id", "version"))
    mode, version = attributes.get("mode", "min"), attributes.get("version", "v1")
    if mode not in MODES:
        raise UsageError(f"--attest {word!r} has {mode!r} for a mode", hint="choose from min, max")
    if version != "v1":
        raise UsageError(f"--attest {word!r} wants SLSA {version}, and minibuild writes v1", hint="leave version= out")
    return replace(wishes, provenance=mode, builder=attributes.get("builder-id", ""))


_KINDS: Mapping[str, Callable[[str, Attestations, Mapping[str, str]], Attestations]] = {
    "provenance": _provenance,
    "sbom": _sbom,
}


def _refuse_others(word: str, attributes: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in attributes:
        if name not in known:
            hint = did_you_mean(name, known) or f"it takes {', '.join((*known, 'disabled'))}"
            raise UsageError(f"--attest {word!r} has the attribute {name!r}, which is unknown", hint=hint)


def _attribute(word: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        hint = "such as type=sbom, or type=provenance,mode=max"
        raise UsageError(f"--attest {word!r} has {text!r}, wanted key=value", hint=hint)
    return name.strip().lower(), value.strip()


def _truth(word: str, value: str) -> bool:
    if value not in _TRUTHS:
        raise UsageError(f"--attest {word!r} has {value!r} for disabled, wanted true or false")
    return _TRUTHS[value]
