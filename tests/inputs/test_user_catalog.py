from __future__ import annotations

from pathlib import Path

import pytest
from small_catalog import write_entry

from clustersim.errors import InputError
from clustersim.inputs import search_path
from clustersim.inputs.catalog import document, load, names, plain_document, sections
from clustersim.inputs.search_path import find, slug
from clustersim.inputs.table import as_table


def test_sections_and_names(catalog: Path) -> None:
    assert sections() == ("accelerators", "nodes", "clusters", "models", "stacks", "serving-stacks", "failures")
    assert {"acme-one", "acme-two", "loner"} <= set(names("accelerators"))
    assert "a100-sxm-80gb" in names("accelerators"), "the packaged catalog stands behind the user's"
    assert names("nothing-like-it") == []


def test_loads_values_cited_or_not(catalog: Path) -> None:
    chip = load("accelerators", "acme-one")
    assert chip.peak == {"bf16": 100e12, "fp16": 100e12}
    assert chip.memory.capacity == 64 * 2**30
    assert chip.kernels.gemm_ceiling == 0.8
    assert load("nodes", "acme-box").accelerator == chip


def test_entries_extend_each_other_mapping_by_mapping(catalog: Path) -> None:
    chip = load("accelerators", "acme-two")
    assert chip.peak == {"bf16": 100e12, "fp16": 100e12, "fp8": 200e12}
    assert (chip.memory.capacity, chip.memory.bandwidth, chip.name) == (96 * 2**30, 1e12, "Acme Two")
    stack = load("stacks", "acme-soft-2025")
    assert (stack.year, stack.defaults.sharding, stack.defaults.recompute) == (2025, "zero2", "selective")


@pytest.mark.parametrize(
    "name", ["acme-one", "ACME_One", "Acme One", "acme", "acme_uno", "Acme One (64GB)", "acme-one "]
)
def test_look_up_forgives_spelling(catalog: Path, name: str) -> None:
    assert load("accelerators", name).name == "Acme One"


def test_aliases_in_either_form(catalog: Path) -> None:
    assert load("accelerators", "acme-duo").name == "Acme Two"
    assert slug("  DeepSeek_V3 Base ") == "deepseek-v3-base"


def test_document_keeps_the_citations_and_plain_document_drops_them(catalog: Path) -> None:
    cited = document("accelerators", "acme-one")
    assert cited["peak"]["bf16"] == {"value": "100 TFLOP/s", "source": "sheet", "status": "read"}
    assert cited["sources"] == {"sheet": "The data sheet, page 3."}
    assert type(cited) is dict
    plain = plain_document("accelerators", "acme-one")
    assert plain["peak"]["bf16"] == "100 TFLOP/s"
    assert not {"sources", "aliases", "about", "background"} & set(plain)


def test_the_users_entry_stands_before_the_packaged_one_and_can_extend_it(catalog: Path) -> None:
    packaged = load("accelerators", "a100-sxm-80gb")
    write_entry(catalog, "accelerators/a100-sxm-80gb", "extends: a100-sxm-80gb\nprice: 1 USD/h\n")
    mine = load("accelerators", "a100-sxm-80gb")
    assert mine.price == 1.0
    assert mine.peak == packaged.peak


def test_an_edited_entry_is_read_again(catalog: Path) -> None:
    assert load("models", "tiny").layers == 16
    write_entry(catalog, "models/tiny", (catalog / "models/tiny.yaml").read_text().replace("layers: 16", "layers: 8"))
    assert load("models", "tiny-moe").layers == 8


def test_without_an_own_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLUSTERSIM_CATALOG", raising=False)
    assert load("accelerators", "a100-sxm-80gb").vendor == "nvidia"
    assert load("accelerators", "ascend-910b") == load("accelerators", "ascend-910b2")


def test_a_catalog_folder_that_is_not_there_is_as_good_as_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLUSTERSIM_CATALOG", str(tmp_path / "absent"))
    assert load("accelerators", "a100-sxm-80gb").vendor == "nvidia"


@pytest.mark.parametrize(
    ("section", "name", "message"),
    [
        ("accelerators", "acme-onne", "Did you mean acme-one"),
        ("accelerators", "qqqqqq", "`clustersim show accelerators` lists them"),
        ("accelerator", "acme-one", "no section"),
        ("nodes", "no/such/file.yaml", "no such file: no/such/file.yaml"),
        ("nodes", "config.json", "no such file"),
        ("models", "x" * 5000 + ".yaml", "no such file"),
        ("models", "a\0b.yaml", "no such file"),
        ("models", "~nobody-of-that-name/m.yaml", "no such file"),
    ],
)
def test_unknown_names(catalog: Path, section: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match="1 problem") as caught:
        load(section, name)
    assert message in str(caught.value)


def test_unknown_documents(catalog: Path) -> None:
    with pytest.raises(InputError, match=r"no \"tinny\" in the catalog's models\. Did you mean tiny"):
        document("models", "tinny")
    write_entry(catalog, "models/broken", "name: x\nname: y\n")
    with pytest.raises(InputError, match=r"line 2   name: this key stands on line 1 already"):
        document("models", "broken")


def test_a_broken_entry_says_which_file_and_line(catalog: Path) -> None:
    file = write_entry(catalog, "models/broken", "extends: tiny\nlayers: many\nheds: 3\nkv_heads: 5\n")
    with pytest.raises(InputError) as caught:
        load("models", "broken")
    assert [(problem.file, problem.line, problem.key) for problem in caught.value.problems] == [
        (str(file), 2, "layers"),
        (str(file), 3, "heds"),
        (str(file), 4, "kv_heads"),
    ]
    assert "5 does not divide the 16 heads" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"- 1\n", "holds no mapping"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"a: [", "not valid YAML"),
        (b"#" * 2_000_001, "more than 2,000,000 bytes"),
    ],
)
def test_files_that_hold_nothing_useful(catalog: Path, content: bytes, message: str) -> None:
    (catalog / "models/odd.yaml").write_bytes(content)
    with pytest.raises(InputError, match="1 problem") as caught:
        load("models", "odd")
    assert message in str(caught.value)


def test_a_byte_order_mark_is_no_matter(catalog: Path) -> None:
    (catalog / "models/bom.yaml").write_bytes(b"\xef\xbb\xbfextends: tiny\n")
    assert load("models", "bom").layers == 16


def test_circles_are_refused(catalog: Path) -> None:
    write_entry(catalog, "models/a", "extends: b\n")
    write_entry(catalog, "models/b", "extends: a\n")
    with pytest.raises(InputError, match="a extends itself"):
        load("models", "a")
    write_entry(catalog, "models/c", "extends: ../models/./c.yaml\n")
    with pytest.raises(InputError, match="extends itself"):
        load("models", "c")
    write_entry(catalog, "models/d", "extends: 5\n")
    with pytest.raises(InputError, match="expected a name of the catalog or a path"):
        load("models", "d")


def test_unreadable_aliases_are_passed_over(catalog: Path) -> None:
    (catalog / "models/odd.yaml").write_bytes(b"aliases: \xff")
    write_entry(catalog, "models/odder", "aliases: {a: 1}\nextends: tiny\n")
    write_entry(catalog, "models/oddest", "aliases: [3, petit]\nextends: tiny\n")
    assert load("models", "petit").layers == 16
    assert find(search_path.catalog_folders(), "models", "nothing-like-it") is None


def test_citations_are_stripped_at_any_depth_and_only_they() -> None:
    table = as_table(
        {
            "a": {"value": {"b": {"value": 1, "note": "n"}}, "source": "s"},
            "c": {"value": 2, "unit": "GB"},
            "d": [{"value": 3, "status": "read"}],
            "sources": {"s": "..."},
        }
    )
    assert search_path.bare(table) == {"a": {"b": 1}, "c": {"value": 2, "unit": "GB"}, "d": [3]}
