"""By which proxy an address is asked."""

from __future__ import annotations

import pytest

from minibuild.registry.proxies import proxy_for

BOTH = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://a.example/x", BOTH, "http://secure:2"),
        ("http://a.example/x", BOTH, "http://plain:1"),
        ("https://a.example/x", {}, ""),
        ("https://a.example/x", {"https_proxy": "lower:3"}, "http://lower:3"),
        ("https://a.example/x", {"https_proxy": "lower:3", "HTTPS_PROXY": "UPPER:4"}, "http://UPPER:4"),
        ("http://localhost:5000/x", BOTH, ""),
        ("http://127.0.0.1/x", BOTH, ""),
        ("http://[::1]:5000/x", BOTH, ""),
        ("https://a.example/x", {**BOTH, "NO_PROXY": "example"}, ""),
        ("https://a.example/x", {**BOTH, "NO_PROXY": "b.example, a.example"}, ""),
        ("https://a.example/x", {**BOTH, "no_proxy": ".example"}, ""),
        ("https://example/x", {**BOTH, "no_proxy": ".example"}, "http://secure:2"),
        ("https://a.example/x", {**BOTH, "NO_PROXY": "*.example"}, ""),
        ("https://aexample/x", {**BOTH, "NO_PROXY": "example"}, "http://secure:2"),
        ("https://a.example/x", {**BOTH, "NO_PROXY": "*"}, ""),
        ("https://a.example/x", {**BOTH, "NO_PROXY": "a.example:443"}, ""),
        ("https://a.example:5000/x", {**BOTH, "NO_PROXY": "a.example:443"}, "http://secure:2"),
        ("https://10.1.2.3/x", {**BOTH, "NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://10.1.2.3/x", {**BOTH, "NO_PROXY": "10.1.2.3"}, ""),
        ("https://11.1.2.3/x", {**BOTH, "NO_PROXY": "10.0.0.0/8"}, "http://secure:2"),
        ("https://a.example/x", {**BOTH, "NO_PROXY": ","}, "http://secure:2"),
    ],
)
def test_the_environment_names_the_proxy(url: str, environment: dict[str, str], proxy: str) -> None:
    assert proxy_for(url, environment) == proxy
