"""The benchmarks' command line."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from minibuild.build.ignore import IgnoreFile
from minibuild.dockerfile import parse
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Options, plan
from minibuild.source import Source, Span
from tests.benchmarks import registries, running, trees
from tests.benchmarks.measuring import Times, least_time_of, ratio, run

MINIBUILD = (sys.executable, "-m", "minibuild")
STAGE = """\
FROM scratch AS s{i}
ARG VERSION{i}=1.{i}
ENV PATH=/opt/{i}:$PATH NAME{i}=${{VERSION{i}:-none}}
WORKDIR /srv/app{i}
COPY --chown=1:1 src/ ./src{i}/
RUN apt-get update && apt-get install -y package{i} \\
    && rm -rf /var/lib/apt/lists/*
LABEL org.example.{i}="version $NAME{i}"
EXPOSE {i}1/tcp
USER app
CMD ["run", "{i}"]
"""
PATTERNS = (
    "**/{a}*.tmp", "{a}/**/{b}.log", "!{a}/{b}/*.keep", "**/{a}/**/*.{b}", "{a}/*/{b}?.[ch]",
    "**/*.{b}", "!**/{a}-{b}.md", "{a}/{b}", "*/{a}*{b}*", "{a}[0-9]*",
)  # fmt: skip
STEMS = ("src", "lib", "test", "node", "pack", "dist", "web", "core", "api", "data")
WORDS = [stem + end for stem in STEMS for end in ("", "-a", "-b", "er", "ing", "_x", "1", "2", "3", "s")]


def copy(files: int, rounds: int) -> None:
    """A COPY that isn't cached, and one that is, beside tar and sha256sum."""
    print(f"COPY of {files} files (minibuild build -q --root NEW .), beside: tar c src | sha256sum")
    for size in trees.SIZES:
        with tempfile.TemporaryDirectory(prefix="minibuild-benchmark-") as name:
            context, root = Path(name, "context"), Path(name, "root")
            total = trees.make(context / "src", size, files)
            (context / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n")
            ours, again, theirs = Times(), Times(), Times()
            build = (*MINIBUILD, "build", "-q", "--root", str(root), str(context))
            for _ in range(rounds):
                run(("sh", "-c", 'tar c -C "$0" src | sha256sum', str(context)), theirs)
                run(build, ours)
                run(build, again)
                shutil.rmtree(root)
        print(f"  {size} ({total >> 20} MiB)\n    tar | sha256sum {theirs}\n    minibuild       {ours}")
        print(f"    once more       {again}\n    ratio           {ratio(ours, theirs)}")


def ignore() -> None:
    """100,000 paths against 200 patterns of every sort."""
    dice = random.Random(3)
    patterns = [PATTERNS[i % len(PATTERNS)].format(a=dice.choice(WORDS), b=dice.choice(WORDS)) for i in range(200)]
    below = [""]
    while len(below) < 8000:
        parent = dice.choice(below)
        if parent.count("/") < 7:
            below.append(f"{parent}/{dice.choice(WORDS)}{dice.choice(('', f'-{len(below)}'))}".lstrip("/"))
    ends = ("js", "ts", "md", "tmp", "c", "keep", "log")
    places = sorted(dice.choices(below, k=100_000))
    paths = [f"{place}/{dice.choice(WORDS)}-{i}.{dice.choice(ends)}".lstrip("/") for i, place in enumerate(places)]

    def match() -> None:
        file = IgnoreFile.parse(Source(".dockerignore", "\n".join(patterns)))
        sum(map(file.excludes, paths))

    print(f"ignoring: {len(paths)} paths, {len(patterns)} patterns: {least_time_of(match, 3):.3f} s")


def planning() -> None:
    """1,000 instructions in 100 stages, all needed; and a megabyte of them read."""

    def bare(_name: str, platform: Platform, _span: Span) -> Image:
        return Image.compose(ImageConfig(platform, ContainerConfig()), ())

    text = "".join(STAGE.format(i=i) for i in range(100))
    options = Options(platform=Platform("linux", "amd64"), all_stages=True)
    seconds = least_time_of(lambda: plan(parse(Source("Dockerfile", text)), bare, options))
    print(f"planning: 1,000 instructions: {seconds * 1000:.0f} ms")
    large = text * ((1 << 20) // len(text) + 1)
    print(f"reading: {len(large)} bytes: {least_time_of(lambda: parse(Source('Dockerfile', large)), 3):.3f} s")


def start(rounds: int) -> None:
    """What a build costs that has nothing to do, beside Python's own start."""
    with tempfile.TemporaryDirectory(prefix="minibuild-benchmark-") as name:
        Path(name, "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        ours, theirs = Times(), Times()
        for _ in range(rounds * 4):
            run((sys.executable, "-c", "pass"), theirs)
            run((*MINIBUILD, "build", "-q", "--root", f"{name}/root", name), ours)
    print(f"starting: python -c pass {theirs}\n          minibuild build, all cached {ours}")


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    everything = ["start", "plan", "ignore", "copy", "push", "pull", "warm", "cached", "run", "peers"]
    everything += ["rootless", "scan"]
    parser.add_argument("what", nargs="*", default=everything, help=", ".join(everything))
    parser.add_argument("--files", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if "start" in arguments.what:
        start(arguments.rounds)
    if "plan" in arguments.what:
        planning()
    if "ignore" in arguments.what:
        ignore()
    if "copy" in arguments.what:
        copy(arguments.files, arguments.rounds)
    registries.measure(arguments.what, arguments.rounds)
    running.measure(arguments.what, arguments.rounds)


if __name__ == "__main__":
    main()
