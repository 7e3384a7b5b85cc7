"""Go templates: what docker prints for them, one line a case; the outputs are those of Go 1.22's text/template."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from minibuild.cli.template import Template
from minibuild.cli.template_functions import Record, to_json
from minibuild.errors import UsageError

IMAGE = Record(
    {
        "Id": "sha256:0a1b",
        "RepoTags": ["a:1", "b:2"],
        "Size": 1234,
        "Comment": "",
        "Config": Record(
            {
                "Env": ["A=1", "B=2"],
                "Cmd": None,
                "Labels": {"version": "3", "com.example.name": "x<y"},
                "Healthcheck": None,
                "OpenStdin": False,
            },
            optional=("Healthcheck",),
        ),
        "Layers": [],
    }
)

CASES = {
    "text alone": ("text", "text"),
    "a field": ("{{.Id}}", "sha256:0a1b"),
    "blanks inside": ("{{  .Id  }}", "sha256:0a1b"),
    "a field of a field": ("{{.Config.Labels.version}}", "3"),
    "a missing key of a map": ("{{.Config.Labels.nothing}}", "<no value>"),
    "nothing": ("{{.Config.Cmd}}", "<no value>"),
    "a list": ("{{.RepoTags}}", "[a:1 b:2]"),
    "a map, sorted": ("{{.Config.Labels}}", "map[com.example.name:x<y version:3]"),
    "a number": ("{{.Size}}", "1234"),
    "a truth": ("{{.Config.OpenStdin}}", "false"),
    "json of text": ("{{json .Id}}", '"sha256:0a1b"'),
    "json of a map": ("{{json .Config.Labels}}", '{"com.example.name":"x<y","version":"3"}'),
    "json of nothing": ("{{json .Config.Cmd}}", "null"),
    "json of a pipe": ("{{.RepoTags | json}}", '["a:1","b:2"]'),
    "json leaves empty options out": (
        "{{json .Config}}",
        '{"Env":["A=1","B=2"],"Cmd":null,"Labels":{"com.example.name":"x<y","version":"3"},"OpenStdin":false}',
    ),
    "index of a map": ('{{index .Config.Labels "com.example.name"}}', "x<y"),
    "index of a map that lacks it": ('{{index .Config.Labels "nothing"}}', ""),
    "index of a list": ("{{index .RepoTags 1}}", "b:2"),
    "index of the root": ('{{index . "Id"}}', "sha256:0a1b"),
    "a field of parentheses": ('{{(index .RepoTags 0) | upper}}', "A:1"),
    "range": ("{{range .Config.Env}}{{.}};{{end}}", "A=1;B=2;"),
    "range with lines": ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
    "range with a variable": ("{{range $e := .RepoTags}}<{{$e}}>{{end}}", "<a:1><b:2>"),
    "range with index and value": ("{{range $i, $e := .RepoTags}}{{$i}}{{$e}} {{end}}", "0a:1 1b:2 "),
    "range over a map": ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "com.example.name=x<y version=3 "),
    "range over nothing": ("{{range .Layers}}x{{else}}none{{end}}", "none"),
    "the root inside a range": ("{{range .Layers}}x{{end}}{{range .RepoTags}}{{$.Size}} {{end}}", "1234 1234 "),
    "if": ("{{if .Id}}yes{{end}}", "yes"),
    "if of nothing": ("{{if .Config.Healthcheck}}yes{{else}}no{{end}}", "no"),
    "else if": ("{{if .Comment}}a{{else if .Size}}b{{else}}c{{end}}", "b"),
    "nested ifs": ("{{if .Id}}{{if .Comment}}a{{else}}b{{end}}{{end}}c", "bc"),
    "with": ("{{with .Config}}{{.Env}}{{end}}", "[A=1 B=2]"),
    "with of nothing": ("{{with .Comment}}x{{else}}{{.Size}}{{end}}", "1234"),
    "a variable": ("{{$x := .Config.Labels}}{{$x.version}}", "3"),
    "a variable of a block ends with it": ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
    "len": ("{{len .RepoTags}}{{len .Id}}", "211"),
    "join": ('{{join .Config.Env ", "}}', "A=1, B=2"),
    "split": ('{{split .Id ":"}}', "[sha256 0a1b]"),
    "lower, upper, title": ('{{lower "AB"}}{{upper "ab"}}{{title "a b"}}', "abABA B"),
    "truncate": ("{{truncate .Id 6}}", "sha256"),
    "slice": ("{{slice .Id 7 9}}", "0a"),
    "pad": ('[{{pad "x" 1 2}}]', "[ x  ]"),
    "printf": (
        '{{printf "%s %q %d|%5d|%-6s|%.2s|%v%%" .Id "x" 7 8 "ab" "abc" .RepoTags}}',
        'sha256:0a1b "x" 7|    8|ab    |ab|[a:1 b:2]%',
    ),
    "print": ('{{print 1 2 "a" "b" 3}}', "1 2ab3"),
    "println": ('{{println "a" 1}}', "a 1\n"),
    "eq of several": ('{{eq .Size 1 1234}}', "true"),
    "ne, lt, ge": ("{{ne .Size 1}}{{lt .Size 1}}{{ge .Size 1234}}", "truefalsetrue"),
    "and, or, not": ("{{and .Id .Size}} {{or .Comment .Size}} {{not .Comment}}", "1234 1234 true"),
    "and stops early": ('{{and .Comment (index .Layers 5)}}|', "|"),
    "a pipe into the last place": ('{{.Id | printf "%s-%s" "x"}}', "x-sha256:0a1b"),
    "a comment": ("a{{/* words */}}b", "ab"),
    "trimming": ("a  {{- .Size -}}  b", "a1234b"),
    "a raw string": ("{{`a\"b`}}", 'a"b'),
    "braces in a string": ('{{"}}"}}', "}}"),
    "escapes in a string": ('{{"a\\tb"}}', "a\tb"),
}  # fmt: skip


@pytest.mark.parametrize(("template", "text"), CASES.values(), ids=CASES)
def test_a_template_prints_what_docker_prints(template: str, text: str) -> None:
    assert Template.parse(template).render(IMAGE) == text


BAD: Mapping[str, tuple[str, int]] = {
    "{{.Idd}}": (".Idd is no field here", 3),
    "{{.Config.Envv}}": (".Envv is no field here", 3),
    "{{.Id.X}}": (".X is asked of sha256:0a1b, which has no fields", 3),
    "{{.Config.Healthcheck.Test}}": (".Test is asked of <no value>, which has no fields", 3),
    "{{jsn .}}": ("jsn is no function of templates", 3),
    "{{index .RepoTags 9}}": ("index 9 is outside a list of 2", 3),
    "{{index .Id .Id}}": ("index wants a map or a list, and a key that fits it, got sha256:0a1b", 3),
    "{{join .Id}}": ("join can't take sha256:0a1b", 3),
    "{{len 5}}": ("len can't take 5", 3),
    "{{range .Size}}{{end}}": ("range wants a list or a map, got 1234", 1),
    "{{$x}}": ("$x is no variable of the template", 3),
    "a {{.Id": ("the template has {{ without }}", 3),
    "{{if .Id}}": ("the template has {{if}} without {{end}}", 3),
    "{{end}}": ("the template has {{end}} without if, range or with", 3),
    "{{if .Id}}{{else .Id}}{{end}}": ("the template has '.Id' after else", 18),
    "{{}}": ("the template has {{}} with nothing in it", 1),
    "{{.Id ?}}": ("the template has '?' where none can be", 7),
    "{{(.Id}}": ("the template has ( without )", 3),
    "{{.Id)}}": ("the template has ')' where none can be", 6),
    "{{.Id |}}": ("the template wants a value here", 1),
    "{{0x}}": ("the template has 0x, which is no number", 3),
    "{{.Id .Id}}": ("only a function takes arguments", 3),
}


@pytest.mark.parametrize(("template", "said"), BAD.items(), ids=BAD)
def test_a_template_that_cannot_be_is_refused_with_the_place(template: str, said: tuple[str, int]) -> None:
    with pytest.raises(UsageError) as caught:
        Template.parse(template).render(IMAGE)
    assert caught.value.span is not None
    assert (caught.value.message, caught.value.span.column) == said


def test_a_field_that_is_nearly_right_is_proposed() -> None:
    with pytest.raises(UsageError) as caught:
        Template.parse("{{.RepoTag}}").render(IMAGE)
    assert caught.value.hint == "did you mean RepoTags?"


def test_json_indents_as_docker_inspect_does() -> None:
    assert to_json([Record({"A": [], "B": {}, "C": ["x"]})], indent=4) == (
        '[\n    {\n        "A": [],\n        "B": {},\n        "C": [\n            "x"\n        ]\n    }\n]'
    )
