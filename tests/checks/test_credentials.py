"""What is taken for a credential, by its name or its shape, and what only looks like one."""

from __future__ import annotations

import pytest

from minibuild.checks.credentials import kind_of_file, masked, tokens_in

LETTERS = "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zA0cD"
TOKENS = {
    f"ghp_{LETTERS}abcd": "a GitHub token",
    f"github_pat_{LETTERS}": "a GitHub token",
    f"glpat-{LETTERS[:20]}": "a GitLab token",
    "AKIA2E0A8F3B244C9986": "an AWS access key",
    f"xoxb-1234567890-{LETTERS}": "a Slack token",
    f"npm_{LETTERS}abcd": "an npm token",
    f"pypi-AgEIcHlwaS5vcmc{LETTERS}{LETTERS}": "a PyPI token",
    f"dckr_pat_{LETTERS}": "a Docker Hub token",
    f"sk_live_{LETTERS}": "a Stripe key",
    f"AIza{LETTERS}abc": "a Google API key",
    f"SG.{LETTERS[:22]}.{LETTERS}": "a SendGrid key",
    f"hf_{LETTERS}ab": "a Hugging Face token",
    f"sk-ant-{LETTERS}": "an OpenAI or Anthropic key",
    f"eyJ{LETTERS}.eyJ{LETTERS}.{LETTERS}": "a JSON Web Token",
    "-----BEGIN PRIVATE KEY-----": "a private key",
    "-----BEGIN OPENSSH PRIVATE KEY-----": "a private key",
    "https://bob:s3cr3t-w0rd": "a password in a URL",
    "Authorization: token 0f1e2d3c4b5a": "a credential in a header",
    "PRIVATE-TOKEN: 0f1e2d3c4b5a": "a credential in a header",
}


@pytest.mark.parametrize(("token", "kind"), TOKENS.items(), ids=TOKENS.values())
def test_a_token_is_known_by_its_shape_and_not_repeated(token: str, kind: str) -> None:
    text = f"a {token}@example.com" if "URL" in kind else f'a "{token}" b'
    start = text.index(token)
    assert tokens_in(text) == [(start, start + len(token), kind)]
    assert masked(text) == text.replace(token, token[:4] + "*" * (len(token) - 4))


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_short",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "https://example.com:8080/a@b",
        "https://$USER:$PASSWORD@example.com",
        "https://${USER}:${PASSWORD}@example.com",
        "git@github.com:a/b.git",
        "npm install @scope/pkg@1.2.3",
        "Authorization: Bearer $TOKEN",
        'Authorization: Bearer ${TOKEN}"',
        "Authorization: Bearer `cat /run/secrets/token`",
        "Authorization: Bearer <your-token>",
        "sha256:0123456789012345678901234567890123456789012345678901234567890123",
        "http://proxy:3128",
    ],
)
def test_an_example_a_variable_or_an_address_is_no_token(text: str) -> None:
    assert tokens_in(text) == []


@pytest.mark.parametrize(
    "path",
    [
        *(".env", "app/.env", ".npmrc", "home/.netrc", "deploy/id_rsa", "id_ed25519", ".aws/credentials", "root/.aws"),
        *(
            "server.key",
            "tls/key.pem",
            "certs/key.pem",
            "tls/*.pem",
            "client.p12",
            ".ssh",
            ".docker/config.json",
            "infra/terraform.tfstate",
        ),
    ],
)
def test_a_file_is_known_by_its_name(path: str) -> None:
    assert kind_of_file(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", ".env.example", ".env.sample", "env", "id_rsa.pub", "credentials", "config.json", "docker/config.json"),
        *(
            "ca.pem",
            "certs/fullchain.pem",
            "rds-ca-bundle.pem",
            "public.key",
            "pubkey.pem",
            "src/keys.py",
            "dhparam.pem",
        ),
    ],
)
def test_a_name_that_is_nearly_one_means_nothing(path: str) -> None:
    assert kind_of_file(path) == ""
