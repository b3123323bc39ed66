"""The command group: start-up, help, and how every command ends."""

from __future__ import annotations

import errno
import io
import os
import shlex
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.text import Text

from clustersim import __version__
from clustersim.cli import COMMANDS, cli
from clustersim.cli.options import progress_bar
from clustersim.errors import (
    DeadlockError,
    InfeasibleError,
    InputError,
    MissingExtraError,
    Problem,
    UnsupportedGraphError,
)
from clustersim.views.console import print_page

HEAVY = ("numpy", "pydantic", "scipy", "matplotlib", "simpy", "rich", "yaml", "concurrent.futures", "multiprocessing")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | variables, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS), ["--version"], ["rum"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from clustersim.cli import cli
try:
    cli.main({arguments})
except SystemExit:
    pass
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    assert python(code).stderr.splitlines()[-1] == "[]"


def test_a_run_without_failures_imports_neither_simpy_nor_launchers_readers_nor_worker_processes() -> None:
    unused = ["simpy", "clustersim.launchers.importing", "multiprocessing", "matplotlib", "asyncio"]
    code = f"""
import sys
from clustersim.cli import cli
try:
    cli.main(["run", "gpt3_175b_a100"])
except SystemExit as ended:
    assert not ended.code
print([name for name in {unused} if name in sys.modules], file=sys.stderr)
"""
    assert python(code).stderr.splitlines()[-1] == "[]"


def test_help_lists_every_command_with_a_line() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    listed = result.stdout.split("Commands:")[1].split("\n")
    words = [line.split(maxsplit=1) for line in listed if line.strip()]
    assert [word for word, _ in words] == list(COMMANDS)
    assert all(len(about) > 20 for _, about in words)


def examples_of(name: str) -> list[list[str]]:
    lines = invoke(name, "--help").stdout.rstrip().splitlines()
    return [shlex.split(line.split(" > ")[0]) for line in lines[lines.index("  Examples:") + 1 :]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_ends_with_two_examples_that_parse(name: str) -> None:
    examples = examples_of(name)
    assert len(examples) == 2
    for program, command, *arguments in examples:
        assert (program, command) == ("clustersim", name)
        parsed = import_module(f"clustersim.cli.{name}").command.make_context(name, arguments)
        assert isinstance(parsed, click.Context)


@pytest.mark.slow
def test_examples_work_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run", "sweep", "plot", "trace", "search", "serve", "show", "schema"):
        for _, *arguments in examples_of(name):
            result = invoke(*arguments)
            assert result.exit_code == 0, (arguments, result.stderr)
            assert result.stdout


def test_version() -> None:
    assert invoke("--version").stdout == f"clustersim {__version__}\n"


def test_no_command_shows_the_help_and_is_bad_usage() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rum"], "Did you mean run?"),
        (["shwo"], "Did you mean show?"),
        (["xyzzy"], "There are run, sweep"),
        (["run", "--lay", "tensor=8"], "Did you mean '--layout'"),
        (["run", "x", "--seed", "-1"], "--seed"),
        (["run", "x", "--engine", "arry"], "'auto', 'reference', 'array'"),
        (["schema", "scenari"], "scenario"),
        (["plot", "results"], "--x"),
        (["--vresion"], "--version"),
    ],
)
def test_wrong_words_on_the_command_line(arguments: list[str], hint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert hint in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("my.yaml", [Problem("no such key", "layout.tensr", 7)]), 2, "line 7"),
        (InfeasibleError("needs 90 GiB"), 3, "needs 90 GiB"),
        (MissingExtraError("pyarrow", "parquet"), 2, "pip install 'clustersim[parquet]'"),
        (UnsupportedGraphError("order decided at run time"), 2, "order decided"),
        (DeadlockError("a waits for b"), 4, "This is a bug"),
        (ZeroDivisionError("division by zero"), 4, "ZeroDivisionError: division by zero"),
        (PermissionError(13, "Permission denied", "results/x"), 2, "results/x: Permission denied"),
        (OSError("disk on fire"), 4, "disk on fire"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device. Make room, then give the same"),
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.UsageError("no"), 2, "Error: no"),
    ],
)
def test_exit_codes(error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(import_module("clustersim.cli.schema").command, "callback", fail)
    result = invoke("schema")
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_note_on_an_interruption_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        error = KeyboardInterrupt()
        error.add_note("the same command goes on from there")
        raise error

    monkeypatch.setattr(import_module("clustersim.cli.schema").command, "callback", interrupted)
    assert "the same command goes on from there" in invoke("schema").stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_signals_end_a_command_as_an_interruption_does(number: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[int] = []

    def ended(**_: object) -> None:
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as error:
            cleaned.append(number)
            error.add_note("the same command goes on from there")
            raise

    monkeypatch.setattr(import_module("clustersim.cli.schema").command, "callback", ended)
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)  # a shell's background jobs ignore Ctrl-C
    try:
        result = invoke("schema")
        assert (result.exit_code, cleaned) == (code, [number])
        assert "the same command goes on from there" in result.stderr
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, before)


def test_a_hang_up_that_nohup_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(
            import_module("clustersim.cli.schema").command, "callback", lambda **_: os.kill(os.getpid(), signal.SIGHUP)
        )
        assert invoke("schema").exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
@pytest.mark.parametrize("command", ["['schema', 'scenario']", "['--help']"])
def test_a_full_disk_under_stdout_is_a_plain_error(command: str) -> None:
    code = f"""
import os
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
from clustersim.cli import cli
cli.main({command})
"""
    ended = python(code)
    assert ended.returncode == 2
    assert ended.stderr == "No space left on device. Make room, then give the same command again\n"


def test_a_bug_shows_its_traceback_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setenv("CLUSTERSIM_DEBUG", "1")
    monkeypatch.setattr(import_module("clustersim.cli.schema").command, "callback", fail)
    assert isinstance(invoke("schema").exception, ZeroDivisionError)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    code = """
import os, sys
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
from clustersim.cli import cli
cli.main(["schema", "scenario"])
"""
    ended = python(code)
    assert ended.returncode == 0
    assert ended.stderr == ""


def test_the_console_script_leaves_with_the_exit_code() -> None:
    ended = python("from clustersim.cli import main; import sys; sys.argv = ['clustersim', 'xyzzy']; main()")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_progress_is_for_terminals_and_goes_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, drawn in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar("sweeping") as progress:
            progress(0, 3)
            progress(3, 3)
        assert ("sweeping" in stream.getvalue()) == drawn


def test_pages_are_styled_on_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, no_color, styled in ((io.StringIO(), "", False), (Terminal(), "", True), (Terminal(), "1", False)):
        if no_color:
            monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setattr(sys, "stdout", stream)
        print_page(Text("a verdict", style="red"))
        assert ("\x1b[31m" in stream.getvalue()) == styled
        assert "a verdict" in stream.getvalue()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "utf-16"])
def test_the_module_is_the_command_and_its_output_the_same_in_any_encoding(encoding: str) -> None:
    """Windows redirects to its code page, which has no blocks for bars: a pipe gets UTF-8 whatever it says."""
    command = [sys.executable, "-m", "clustersim", "run", "gpt3_175b_a100", "--no-intervals"]
    found = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True)
    assert found.returncode == 0, found.stderr
    assert "\N{FULL BLOCK}" in found.stdout.decode("utf-8")
    wrong = subprocess.run([*command[:3], "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Usage: clustersim [OPTIONS]")
