"""What `import clustersim` offers: names, and results that say themselves in a line, a document, a frame, a page."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import clustersim as cs
from clustersim.answer import Answer

PACKAGE = Path(cs.__file__).parent
SERVED = "deepseek_r1_h800"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """A result of every kind."""
    scenario = cs.load_scenario("gpt3_175b_a100")
    tiny = cs.load_scenario("gpt3_175b_a100", {"layout": "search"})
    folder = tmp_path_factory.mktemp("sweep")
    return {
        "step": cs.simulate_step(scenario),
        "run": cs.simulate_run(cs.load_scenario("gpt3_175b_a100", {"training.tokens": "300B"})),
        "sweep": cs.run_sweep("gpt3_175b_a100", overrides={"layout.micro_batch": [1, 2]}, output=folder, workers=1),
        "search": cs.search_layouts(tiny, top=2),
        "claim": cs.check_claim("gpt3_175b_64_a100"),
        "serving": cs.serve(SERVED),
        "phases": cs.simulate_serving(cs.load_serving(SERVED)),
    }


@pytest.mark.parametrize("name", cs.__all__)
def test_every_name_is_there_and_shown(name: str) -> None:
    assert getattr(cs, name) is not None
    assert name in dir(cs)


def test_nothing_else_is_shown_and_unknown_names_are_refused() -> None:
    assert dir(cs) == sorted(cs.__all__)
    with pytest.raises(AttributeError, match="no attribute 'simulate_stpe'"):
        cs.simulate_stpe  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, clustersim; print(sorted(name for name in sys.modules if name.startswith('clustersim')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(loaded) == ["clustersim", "clustersim.version"]


def test_type_checkers_see_the_same_names() -> None:
    imported = {
        alias.asname: node.module
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert imported == cs._HOMES


def test_the_earlier_name_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="check_claims is called clustersim.check_claim$"):
        earlier = cs.check_claims
    assert earlier is cs.check_claim


def test_a_result_is_a_line(answers: dict[str, Answer]) -> None:
    for result in answers.values():
        line = repr(result)
        assert line.startswith(type(result).__name__ + "("), line
        assert "\n" not in line, line
        assert len(line) < 300, line
    assert repr(answers["step"]).startswith("StepResult(GPT-3-175B on 64 NVIDIA A100 SXM4 80GB: step time ")
    assert "training " in repr(answers["run"])
    assert "training " not in repr(answers["step"])
    assert "done 2, infeasible 0, failed 0" in repr(answers["sweep"])
    assert "verdict " in repr(answers["claim"])
    line = repr(cs.load_scenario("gpt3_175b_a100"))
    assert line.startswith("Scenario(GPT-3-175B on 64 NVIDIA A100 SXM4 80GB: ")
    assert len(line) < 200


def test_documents_are_json(answers: dict[str, Answer]) -> None:
    for result in answers.values():
        assert json.loads(json.dumps(result.to_dict(), allow_nan=False))


def test_tables_hold_the_figures(answers: dict[str, Answer]) -> None:
    step, run = answers["step"], answers["run"]
    assert isinstance(step, cs.StepResult)
    assert isinstance(run, cs.RunResult)
    (row,) = step.table()
    assert row["step_time_s"] == step.step_time_s
    assert row["tensor"] == step.scenario.resolved_layout.tensor
    assert sum(float(row[f"breakdown_{part}"] or 0.0) for part in step.breakdown) == pytest.approx(1.0)
    assert run.table()[0]["training_days"] == run.training_days
    assert "training_days" not in row
    assert [row["layout.micro_batch"] for row in answers["sweep"].table()] == [1, 2]
    assert len(answers["search"].table()) == 2
    assert {row["id"] for row in answers["claim"].table()}
    assert len(answers["serving"].table()) == len(answers["phases"].table()) == 6


def test_frames_are_the_tables(answers: dict[str, Answer]) -> None:
    pytest.importorskip("pandas")
    for result in answers.values():
        frame, table = result.to_frame(), result.table()
        assert len(frame) == len(table)
        assert list(frame.columns) == list(table[0])
    assert answers["step"].to_frame()["mfu"][0] == answers["step"].table()[0]["mfu"]


def test_without_pandas_a_frame_names_the_pip_command(
    answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(cs.MissingExtraError, match=r"pandas is not installed.*pip install 'clustersim\[frames\]'"):
        answers["step"].to_frame()


def test_notebooks_show_a_table_with_what_is_odd_escaped(answers: dict[str, Answer]) -> None:
    for result in answers.values():
        html = result._repr_html_()
        assert html.startswith("<table><caption>")
        assert html.count("<tr>") == len(result.headline()[1])
    hostile = cs.load_scenario("gpt3_175b_a100", {"model.name": "<script>alert(1)</script>"})
    for shown in (hostile._repr_html_(), cs.simulate_step(hostile)._repr_html_()):
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


def test_every_result_of_the_package_is_an_answer() -> None:
    """What a public function returns says itself as the others do."""
    results: dict[str, Any] = {name: getattr(cs, name) for name in cs.__all__}
    named = [
        kind
        for name, kind in results.items()
        if isinstance(kind, type) and name.endswith(("Result", "Report", "Calibration"))
    ]
    assert len(named) >= 8
    assert [kind for kind in named if not issubclass(kind, Answer) and kind is not cs.MemoryReport] == []


def test_no_two_public_classes_have_one_name() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / "launchers"):
            continue  # a room with words of its own, whose classes no other room sees
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: homes for name, homes in found.items() if len(homes) > 1} == {}
    assert len(found) > 300
