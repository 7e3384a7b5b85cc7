"""What a build is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from minibuild.build.annotations import Annotation
from minibuild.build.attesting.wishes import Attestations
from minibuild.build.locking.lock import Lock
from minibuild.build.surroundings import Surroundings
from minibuild.build.travelling.collecting import Collected
from minibuild.build.travelling.wishes import Caches
from minibuild.errors import Finding
from minibuild.oci import AnyImage, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.plan import Options
from minibuild.plan.scope import PROXIES
from minibuild.values import dataclass, field

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build.

    ``target`` are stages' names or numbers, parted by commas, "" for the last stage; ``tags`` name the last of them,
    ``stage_tags`` any, each by its name or number. ``all_stages`` builds those too that no target needs.
    ``context`` and ``dockerfile`` are words that ``inputs.open_inputs`` understands. ``environment`` is the caller's:
    proxies are taken from it. ``named_contexts`` maps names to places of files, ``docker-archive:PATH``,
    ``oci-layout://PATH`` or ``docker-image://REFERENCE``. ``no_cache_stages`` are stage names or numbers. ``pull`` asks
    the registry even for bases the store has. ``runtime`` and ``snapshotter``: "" is the first that works. ``mirrors``
    are ``registry=URL`` words. ``leaves_layers``: results may stay in the store without those layers that nobody
    needed, since registries have them. ``annotations`` are said of all targets. ``source_date_epoch``:
    seconds, for all times the build itself makes up; None is now. ``surroundings`` are what all RUNs have around them.
    ``caches`` are those that it takes from, and what it is to collect for others. ``platforms``, unless it is empty,
    are built for one after the other, and the results are indices; ``platform`` is then the one at hand.
    ``rewrites_times``: nothing in the results' new layers is to be younger than ``source_date_epoch``.
    ``attestations`` are what results are to have beside them. ``squash`` is a manner of ``squashing.MANNERS``, or "".
    ``lock`` says what names from elsewhere stand for, and takes no others; None asks those who have them.
    """

    context: str
    dockerfile: str = ""
    build_arguments: Mapping[str, str] = field(default_factory=lambda: _NONE)
    environment: Mapping[str, str] = field(default_factory=lambda: _NONE)
    labels: Mapping[str, str] = field(default_factory=lambda: _NONE)
    target: str = ""
    platform: Platform = field(default_factory=Platform.of_this_machine)
    tags: tuple[Reference, ...] = ()
    named_contexts: Mapping[str, str] = field(default_factory=lambda: _NONE)
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    pull: bool = False
    runtime: str = ""
    snapshotter: str = ""
    mirrors: tuple[str, ...] = ()
    source_date_epoch: int | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    stage_tags: tuple[tuple[str, Reference], ...] = ()
    all_stages: bool = False
    annotations: tuple[Annotation, ...] = ()
    leaves_layers: bool = False
    caches: Caches = field(default_factory=Caches)
    platforms: tuple[Platform, ...] = ()
    rewrites_times: bool = False
    attestations: Attestations = field(default_factory=Attestations)
    squash: str = ""
    lock: Lock | None = None

    def tags_of(self, index: int, name: str, *, is_last: bool) -> tuple[Reference, ...]:
        """The tags of a target: a stage's number and its name, which may be ""."""
        own = [tag for word, tag in self.stage_tags if word.lower() in (name, str(index))]
        return (*(self.tags if is_last else ()), *own)

    def options(self) -> Options:
        """What of it a plan depends on."""
        return Options(
            build_arguments=self.build_arguments,
            target=self.target,
            platform=self.platform,
            labels=self.labels,
            proxies=tuple((name, self.environment[name]) for name in PROXIES if self.environment.get(name)),
            contexts=frozenset(name.lower() for name in self.named_contexts),
            all_stages=self.all_stages,
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A stage that was asked for, its image and the tags it got; ``name`` is in lower case, "" for none. ``attached``
    is what attests something of the image, and makes an index of it.
    """

    index: int
    name: str
    image: AnyImage
    tags: tuple[Reference, ...] = ()
    attached: tuple[Artifact, ...] = ()

    @property
    def title(self) -> str:
        """What people call it: its name, or else its number."""
        return self.name or str(self.index)

    def answers_to(self, word: str) -> bool:
        """Whether a word of ``--target`` means it."""
        return word.lower() in (self.name, str(self.index))


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image, in the store under the tags asked for; of how many steps how many were cached; what was warned of.

    ``targets`` are all stages asked for, in that order; ``image`` is the last one's. ``collected`` is what caches that
    travel are made of, where any are wanted. ``keys`` name what each step that was done left, by its stage and number.
    """

    image: AnyImage
    steps: int
    cached: int
    findings: tuple[Finding, ...] = ()
    targets: tuple[Target, ...] = ()
    collected: Collected = field(default_factory=Collected)
    keys: Mapping[tuple[int, int], str] = field(default_factory=lambda: MappingProxyType({}))
