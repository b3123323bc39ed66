"""The page of a claim: whole without a network, nothing from files unescaped, the same bytes every time."""

from __future__ import annotations

import re
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.studies.claims.judge import check_claim
from clustersim.views.claim_report import claim_page

CLAIM: dict[str, Any] = {
    "name": "Seven billion on two nodes",
    "source": {"text": "so it is said", "date": "2025-01-01", "who": "somebody", "reliability": "rumour"},
    "given": {
        "model": "llama-2-7b",
        "cluster": {"node": "dgx-a100-80gb"},
        "training": {"sequence_length": 2048, "global_batch": 64, "tokens": "1T"},
        "layout": {"tensor": 2, "micro_batch": 2},
        "stack": "megatron-lm-2022",
    },
    "open": {"cluster.nodes": [1, 2]},
    "assert": [
        {"id": "share", "metric": "utilization", "value": "82 %"},
        {"id": "days", "metric": "training_days", "value": "100 days"},
        {"id": "price", "metric": "output_token_price", "value": "$0.27"},
    ],
    "relations": [
        {"id": "saving", "list_price": "gpt-4o", "assert": {"metric": "token_price_saving", "value": "97.3 %"}}
    ],
    "assumptions": ["the moon is made of cheese"],
}
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "!!python/object/apply:os.system ['true']",
    "$\\frac{1}{0$ & \"quoted\" 'text'",
    "\u202egnp.exe\x00" + "long " * 400,
]


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def page() -> str:
    return claim_page(check_claim(CLAIM), "clustersim check seven.yaml")


def test_the_answer_comes_first(page: str) -> None:
    words = Page(page).words
    order = ["The claim is", "What would have to be true", "In pictures", "The claim's own numbers", "Every figure",
             "What was tried", "Assumptions", "Sources", "Reproduce it"]  # fmt: skip
    places = [words.index(heading) for heading in order]
    assert places == sorted(places)
    for said in (
        "so it is said",
        "the moon is made of cheese",
        "clustersim check seven.yaml",
        "5,000 draws",
        "MegaScale",
    ):
        assert said in words
    assert "1 - 0.27 / 10 USD (gpt-4o's output) = 97.3 %" in words


def test_it_is_whole_without_a_network(page: str) -> None:
    found = Page(page)
    assert not {"script", "link", "iframe", "object", "embed", "img"} & set(found.tags)
    assert found.tags.count("svg") == 5, "two figures with their unknowns, and the waterfall"
    for name, value in found.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert (value or "").startswith("#"), "only parts of the page itself"
    assert "url(http" not in page
    assert not re.search(r"@import", page)


def test_the_same_bytes_every_time(page: str) -> None:
    assert claim_page(check_claim(CLAIM), "clustersim check seven.yaml") == page


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_a_file_reaches_the_page_unescaped(text: str, page: str) -> None:
    hostile = deepcopy(CLAIM) | {"name": text, "assumptions": [text]}
    hostile["source"] = {"text": text, "date": text, "who": text, "reliability": "rumour", "links": [text]}
    for assertion in hostile["assert"]:
        assertion["id"] = f"{assertion['id']} {text}"
    hostile["relations"][0]["id"] += text
    made = claim_page(check_claim(hostile), f"clustersim check {text}")
    assert set(Page(made).tags) == set(Page(page).tags)
    assert Page(made).tags.count("svg") == Page(page).tags.count("svg")
    assert "<script" not in made
    assert "49" not in Page(made).words.split("so it is said")[0][:80]


def test_every_file_name_and_label_is_drawn_as_it_is() -> None:
    """A dollar sign in a key would be a formula to matplotlib, and a broken one an error."""
    opened = CLAIM | {
        "open": {"cluster.nodes": [1, 2], "model": ["llama-2-7b", {"extends": "llama-2-7b", "name": "$\\bad{"}]}
    }
    assert "svg" in Page(claim_page(check_claim(opened), "x")).tags


def test_a_claim_that_cannot_fit_has_a_page_too() -> None:
    large = deepcopy(CLAIM)
    large["given"] |= {"model": "gpt3-175b"}
    del large["given"]["layout"]
    words = Page(claim_page(check_claim(large), "x")).words
    assert "The claim is impossible" in words
    assert "In pictures" not in words


@pytest.mark.parametrize("value", ["1e29", "1e-8", "999999999999 %"])
def test_absurd_figures_have_a_page(value: str) -> None:
    absurd = deepcopy(CLAIM)
    absurd["assert"] = [
        {"id": "u", "metric": "mfu", "value": value},
        {"id": "s", "metric": "step_time_s", "value": 1e29},
    ]
    assert "svg" in Page(claim_page(check_claim(absurd), "x")).tags


def test_the_command_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my claim.yaml").write_text(yaml.safe_dump(CLAIM), encoding="utf-8")
    result = CliRunner().invoke(cli, ["check", "my claim.yaml", "--report", "out/page.html"])
    assert result.exit_code == 1
    words = Page((tmp_path / "out" / "page.html").read_text(encoding="utf-8")).words
    assert "clustersim check 'my claim.yaml' --seed 0 --report out/page.html" in words
