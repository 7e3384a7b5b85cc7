"""What credentials look like: as names of files, and as words of a text."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

# Files whose very name says that they hold a secret, each with what it is. No name means the same for all.
EXACT = {
    ".env": "often passwords",
    ".env.local": "often passwords",
    ".netrc": "passwords",
    "_netrc": "passwords",
    ".pgpass": "passwords",
    ".my.cnf": "passwords",
    ".git-credentials": "passwords",
    ".pypirc": "a token of a package index",
    ".npmrc": "often a token of a package registry",
    ".vault-token": "a token",
    "id_rsa": "a private key",
    "id_dsa": "a private key",
    "id_ecdsa": "a private key",
    "id_ed25519": "a private key",
    "kubeconfig": "keys of a cluster",
    ".aws/credentials": "keys of a cloud account",
    ".docker/config.json": "passwords of registries",
    ".kube/config": "keys of a cluster",
    ".config/gcloud/application_default_credentials.json": "keys of a cloud account",
    "terraform.tfstate": "all that Terraform knows, secrets too",
}
# The same by patterns; the second are names of that shape which hold none.
_PATTERNS = (
    ("*.pem", "often a private key", re.compile(r"cert|chain|bundle|\bca\b|^ca|pub|dhparam|root", re.IGNORECASE)),
    ("*.key", "a private key", re.compile(r"pub|archive|signing-key\.asc", re.IGNORECASE)),
    ("*.p12", "a private key", None),
    ("*.pfx", "a private key", None),
    ("*.ppk", "a private key", None),
    ("*.kdbx", "passwords", None),
)
_DIRECTORIES = {".aws": "keys of a cloud account", ".ssh": "private keys", ".gnupg": "private keys"}
_HARMLESS = re.compile(r"EXAMPLE|example|placeholder|changeme|xxxx|XXXX|\.\.\.|<|(.)\1{9}")

# Well-known shapes of tokens, each with what it is. Sources: the documentation of those who hand them out.
_SHAPES = (
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,}"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    ("a Docker Hub token", r"\bdckr_pat_[A-Za-z0-9_-]{20,}"),
    ("a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{34}\b"),
    ("an OpenAI or Anthropic key", r"\bsk-(?:proj|ant)-[A-Za-z0-9_-]{20,}"),
    ("a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("a password in a URL", r"\b[a-z][a-z0-9+]*://[^\s:/@$'\"]+:[^\s/@$'\"{]+(?=@[A-Za-z0-9.-])"),
    (
        "a credential in a header",
        r"(?i:(?:proxy-)?authorization|private-token|job-token|x-api-key|x-auth-token)\s*:\s*(?:\w+\s+)?[^\s$'\"`<>{}()]{8,}",
    ),
)
_TOKEN = re.compile("|".join(f"(?P<s{index}>{pattern})" for index, (_, pattern) in enumerate(_SHAPES)))
_SHOWN = 4


def kind_of_file(path: str) -> str:
    """What a file of this name holds that is nobody's business; "" for nothing."""
    name = path.rpartition("/")[2]
    for exact, kind in EXACT.items():
        if path == exact or path.endswith(f"/{exact}"):
            return kind
    telling = path if "*" in name else name  # of *.pem the directory tells more
    for pattern, kind, harmless in _PATTERNS:
        if fnmatchcase(name, pattern) and not (harmless and harmless.search(telling)):
            return kind
    return _DIRECTORIES.get(name, "")


def is_directory(path: str) -> bool:
    """Whether ``kind_of_file`` knows the path as a directory."""
    return path.rpartition("/")[2] in _DIRECTORIES


def tokens_in(text: str) -> list[tuple[int, int, str]]:
    """Where a text has what has the shape of a credential: from, to, and what it is. Examples are left out."""
    found = (match for match in _TOKEN.finditer(text) if not _HARMLESS.search(match[0]))
    return [(match.start(), match.end(), _SHAPES[int(str(match.lastgroup)[1:])][0]) for match in found]


def masked(text: str) -> str:
    """The text with stars over all but the first characters of each credential, so that no log repeats it."""
    parts, at = [], 0
    for start, end, _ in tokens_in(text):
        parts += [text[at : start + _SHOWN], "*" * (end - start - _SHOWN)]
        at = end
    return "".join([*parts, text[at:]])
