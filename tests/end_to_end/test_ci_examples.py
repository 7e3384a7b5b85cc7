"""The examples for CI systems: what stands in the very files is run as a runner would, in containers that are given no
more than the files say, against a registry with a password.
"""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.end_to_end.conftest import Project
from tests.servers.repositories import commit, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

HOME = Path(__file__).parent.parent.parent
EXAMPLES = HOME / "fixtures/ci"
IMAGE = "registry.example/minibuild:1"
APP = {"Dockerfile": "FROM busybox\nCOPY app.txt /srv/\nRUN wc -c </srv/app.txt >/srv/size\n", "app.txt": "hello\n"}
USER, PASSWORD = "me", "pass:word"


@dataclass(frozen=True)
class Runner:
    """A machine of some CI: every job gets a container of its own, with what docker gives to any, and ``options``."""

    dockerd: Dockerd
    registry: Registry
    environment: Mapping[str, str]
    volumes: Mapping[Path, str] = field(default_factory=dict)
    directory: str = "/"
    options: Sequence[str] = ()

    def run(self, *command: str, **variables: str) -> str:
        """A job to its end; wants success, and answers all it said."""
        words = ["run", "--rm", "--net=host", *self.options, f"--workdir={self.directory}"]
        words += [f"--env={name}={value}" for name, value in {**self.environment, **variables}.items()]
        words += [f"--volume={source}:{target}" for source, target in self.volumes.items()]
        done = self.dockerd.run(*words, IMAGE, *command, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def at(self, directory: str, volumes: Mapping[Path, str]) -> Runner:
        """The same where these directories of the test are mounted."""
        return replace(self, directory=directory, volumes=volumes)

    def with_options(self, *options: str) -> Runner:
        """The same whose containers are started with these options of docker's."""
        return replace(self, options=options)

    def digest(self, name: str) -> str:
        """The digest of what is in the registry."""
        words = ["skopeo", "inspect", "--tls-verify=false", "--format={{.Digest}}", f"--creds={USER}:{PASSWORD}"]
        return subprocess.run([*words, f"docker://{name}"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def image(
    dockerd: Dockerd,
    registry: Registry,
    debian_base: BaseImage,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Dockerd:
    """The daemon, with the image that the examples' Dockerfile makes."""
    builder = Minibuild(tmp_path_factory.mktemp("image") / "store").with_mirror(registry)
    words = ("build", "-f", EXAMPLES / "Dockerfile", "-t", IMAGE, "--load", HOME)
    builder.with_variables(DOCKER_HOST=dockerd.host).succeed(*words, timeout=600)
    return dockerd


@pytest.fixture
def runner(
    image: Dockerd,
    registry: Registry,
    private: Registry,
    busybox_base: BaseImage,  # noqa: ARG001
) -> Runner:
    """Jobs find Docker Hub's images on loopback, and push to a registry that wants a password."""
    return Runner(image, private, {"MINIBUILD_REGISTRY_MIRROR": f"docker.io=http://{registry.host}"})


@pytest.fixture
def app(project: Project) -> Path:
    return project(APP)


@pytest.fixture
def docker_config(private: Registry, tmp_path: Path) -> Path:
    """A directory with the password in docker's ``config.json``, as a secret is mounted."""
    auth = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/config.json").write_text(json.dumps({"auths": {private.host: {"auth": auth}}}))
    return tmp_path / "secret"


def example(name: str, registry: Registry) -> str:
    """The file, with the test's registry in the place of the example's."""
    text = (EXAMPLES / name).read_text()
    assert IMAGE in text
    return re.sub(r"\b(?:registry\.example|ghcr\.io)\b(?!/minibuild:)", registry.host, text)


@dataclass(frozen=True)
class GitLab:
    """What GitLab's runner would make of a file: jobs' variables expanded, their lines as one script."""

    jobs: Mapping[str, Any]
    variables: Mapping[str, str]

    @classmethod
    def of(cls, runner: Runner, project: str) -> GitLab:
        host = runner.registry.host
        predefined = {"CI_REGISTRY": host, "CI_REGISTRY_IMAGE": f"{host}/{project}", "CI_REGISTRY_USER": USER}
        predefined |= {"CI_REGISTRY_PASSWORD": PASSWORD, "CI_COMMIT_SHORT_SHA": "0a1b2c3d", "CI_COMMIT_REF_SLUG": "it"}
        predefined |= {"CI_DEFAULT_BRANCH": "main", "CI_PROJECT_DIR": "/builds/app"}
        return cls(yaml.safe_load(example("gitlab-ci.yml", runner.registry)), predefined)

    def run(self, job: str, runner: Runner, app: Path) -> str:
        said = self.jobs[job].get("variables", {})
        variables = {**self.variables, **{name: Template(v).substitute(self.variables) for name, v in said.items()}}
        script = "\n".join(self.jobs[job]["script"])
        machine = runner.at("/builds/app", {app: "/builds/app"})
        return machine.run("sh", "-euc", script, **variables)


def test_gitlab_builds_pushes_and_finds_its_cache_again(runner: Runner, app: Path) -> None:
    gitlab = GitLab.of(runner, "team/gitlab")
    gitlab.run("build", runner, app)
    pushed = runner.digest(f"{runner.registry.host}/team/gitlab:0a1b2c3d")
    assert "steps   2 of 2 cached" in gitlab.run("build", runner, app)
    assert (app / "digest").read_text() == pushed == runner.digest(f"{runner.registry.host}/team/gitlab:0a1b2c3d")


def test_gitlabs_kaniko_job_goes_on_as_it_was(runner: Runner, app: Path) -> None:
    gitlab = GitLab.of(runner, "team/kaniko")
    gitlab.run("kaniko", runner, app)
    assert "steps   2 of 2 cached" in gitlab.run("kaniko", runner, app)
    assert runner.digest(f"{runner.registry.host}/team/kaniko:it")


def steps_of(job: Mapping[str, Any], contexts: Mapping[str, str]) -> str:
    """What GitHub's runner would do one after the other: the steps that run something, each with its variables."""

    def expanded(text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: contexts[found[1]], text)

    scripts = []
    for step in job["steps"]:
        variables = {**job["env"], **step.get("env", {})}
        exports = "".join(f"export {name}='{expanded(value)}'\n" for name, value in variables.items())
        scripts += [f"(\n{exports}{expanded(step['run'])}\n)"] if "run" in step else []
    return "\n".join(scripts)


def test_githubs_workflow_builds_pushes_and_tells_what_came_out(runner: Runner, app: Path) -> None:
    job = yaml.safe_load(example("github-workflow.yml", runner.registry))["jobs"]["image"]
    script = steps_of(job, {"github.repository": "team/github", "secrets.GITHUB_TOKEN": PASSWORD})
    given = {"GITHUB_ACTOR": USER, "GITHUB_SHA": "0a1b2c3d", "GITHUB_STEP_SUMMARY": "/work/summary"}
    runner.at("/work", {app: "/work"}).run("sh", "-euc", script, **given)
    metadata = json.loads((app / "metadata.json").read_text())
    assert metadata["containerimage.digest"] == runner.digest(f"{runner.registry.host}/team/github:0a1b2c3d")
    assert (app / "summary").read_text().startswith("sha256:")


def test_jenkins_pushes_under_the_builds_number(runner: Runner, app: Path) -> None:
    text = example("Jenkinsfile", runner.registry)
    [block] = re.findall(r"environment \{\n(.*?)\n *\}\n", text, re.DOTALL)
    given = {"WORKSPACE": "/workspace/app", "BUILD_NUMBER": "7", "LOGIN_USR": USER, "LOGIN_PSW": PASSWORD}
    said = dict(re.findall(r"(\w+) = ['\"](.*)['\"]", block))
    variables = {**given, **{name: Template(value).substitute(given) for name, value in said.items()}}
    [script] = re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL)
    [options] = re.findall(r"args '(.*)'", text)
    machine = runner.with_options(*options.split())
    machine.at("/workspace/app", {app: "/workspace/app"}).run("sh", "-xec", script, **variables)
    assert runner.digest(f"{runner.registry.host}/team/app:7") == runner.digest(
        f"{runner.registry.host}/team/app:latest"
    )


def tekton_words(words: Sequence[str], values: Mapping[str, str], arrays: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Words of a step as Tekton gives them to it."""
    for word in words:
        if word.removeprefix("$(").removesuffix(")") in arrays:
            yield from arrays[word[2:-1]]
        else:
            yield re.sub(r"\$\(([^)]+)\)", lambda found: values[found[1]], word)


def test_tektons_task_takes_kanikos_parameters(runner: Runner, app: Path, docker_config: Path, tmp_path: Path) -> None:
    name = f"{runner.registry.host}/team/tekton:1"
    task = yaml.safe_load(example("tekton-task.yml", runner.registry))["spec"]
    values = {f"params.{one['name']}": one["default"] for one in task["params"] if isinstance(one.get("default"), str)}
    values |= {"params.IMAGE": name, "workspaces.source.path": "/workspace/source"}
    values |= {f"results.{one['name']}.path": f"/tekton/results/{one['name']}" for one in task["results"]}
    (tmp_path / "results").mkdir()
    mounts = {app: "/workspace/source", tmp_path / "results": "/tekton/results"}
    mounts[docker_config] = next(one["mountPath"] for one in task["workspaces"] if one["name"] == "dockerconfig")
    for step in task["steps"]:
        words = ["sh", "-c", step["script"]] if "script" in step else [*step["command"], *step["args"]]
        extra = {"params.EXTRA_ARGS": ["--cleanup", "--label=a=b"]}
        runner.at("/workspace/source", mounts).run(*tekton_words(words, values, extra))
    assert (tmp_path / "results/IMAGE_DIGEST").read_text() == runner.digest(name)
    assert (tmp_path / "results/IMAGE_URL").read_text() == name


def test_kubernetes_job_builds_a_repository(runner: Runner, docker_config: Path, tmp_path: Path) -> None:
    commit(tmp_path / "served/team/app", APP)
    with serving(tmp_path / "served") as server:
        text = example("kubernetes-job.yml", runner.registry).replace(
            "https://git.example/team/app.git", f"{server}/team/app"
        )
        pod = yaml.safe_load(text)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        (tmp_path / "store").mkdir()
        places = {"docker": docker_config, "store": tmp_path / "store"}
        assert set(places) == {volume["name"] for volume in pod["volumes"]}
        volumes = {places[mount["name"]]: mount["mountPath"] for mount in container["volumeMounts"]}
        given = {variable["name"]: variable["value"] for variable in container["env"]}
        runner.at("/", volumes).run(*container["command"], *container["args"], **given)
    assert runner.digest(f"{runner.registry.host}/team/app:1")
