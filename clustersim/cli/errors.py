"""How every command ends: the one place that turns what happened into a message and an exit code.

0    done
1    a claim or a validation threshold fails
2    bad usage or input
3    infeasible: the scenario is well formed but cannot run
4    an internal error: a bug
130  interrupted
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from clustersim.errors import ClustersimError, DeadlockError, InfeasibleError
from clustersim.version import __version__

DONE, FAILED, BAD_INPUT, INFEASIBLE, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 130
STDOUT = 1  # its file descriptor
DEBUG_VARIABLE = "CLUSTERSIM_DEBUG"  # set: an internal error shows its traceback


def exit_with(command: Callable[[], Any]) -> NoReturn:
    """Run a command, say what went wrong on stderr, and leave with the exit code."""
    try:
        code = _code_of(command)
        sys.stdout.flush()
    except BrokenPipeError:
        code = _nobody_listens()
    sys.exit(code)


def _code_of(command: Callable[[], Any]) -> int:
    try:
        answer = command()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        _say("\n".join(["interrupted", *_notes(error)]))
        return INTERRUPTED
    except SystemExit:  # click's answer to a closed pipe
        return _nobody_listens()
    except DeadlockError as error:
        return _bug(error)
    except ClustersimError as error:
        _say(str(error))
        return INFEASIBLE if isinstance(error, InfeasibleError) else BAD_INPUT
    except OSError as error:
        if error.filename is None:
            return _bug(error)
        _say(f"{error.filename}: {error.strerror}")
        return BAD_INPUT
    except Exception as error:
        return _bug(error)
    return answer if isinstance(answer, int) else DONE


def _nobody_listens() -> int:
    """The reader of our output, such as `head`, has seen enough: nothing is wrong, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return DONE


def _bug(error: Exception) -> int:
    """Say that it is our fault, and what a report needs."""
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    _say(
        f"clustersim met an internal error: {type(error).__name__}: {error}\n"
        f"This is a bug. Please report it with the command, the files that it read, the version ({__version__}) and\n"
        f"what it prints when {DEBUG_VARIABLE}=1 is set."
    )
    return BUG


def _notes(error: BaseException) -> list[str]:
    """What was said to an interruption on its way, such as how to go on."""
    notes = list(getattr(error, "__notes__", []))
    return notes if notes or error.__cause__ is None else _notes(error.__cause__)


def _say(message: str) -> None:
    click.echo(message, err=True)
