"""How every command ends: the one place that turns what happened into a message and an exit code.

0    done
1    a claim or a validation threshold fails
2    bad usage or input
3    infeasible: the scenario is well formed but cannot run
4    an internal error: a bug
130  interrupted (129 by SIGHUP, 143 by SIGTERM)
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO, TextIOWrapper
from typing import Any, NoReturn

import click

from clustersim.cli.say import say
from clustersim.cli.signals import Ended, ended_by_signals
from clustersim.errors import ClustersimError, DeadlockError, InfeasibleError
from clustersim.version import __version__

DONE, FAILED, BAD_INPUT, INFEASIBLE, BUG = 0, 1, 2, 3, 4
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
STDOUT = 1  # its file descriptor
DEBUG_VARIABLE = "CLUSTERSIM_DEBUG"  # set: an internal error shows its traceback


def exit_with(command: Callable[[], Any]) -> NoReturn:
    """Run a command, say what went wrong on stderr, and leave with the exit code."""
    for stream in (sys.stdout, sys.stderr):
        _speaks_utf8(stream)
    with ended_by_signals() as ended:
        try:
            code = _code_of(command, ended)
            sys.stdout.flush()
        except BrokenPipeError:
            code = _nobody_listens()
        except OSError as error:  # stdout is a file on a full disk, say
            _nobody_listens()
            code = _refused_by_the_system(error)
        except KeyboardInterrupt:  # a signal that came while an error was being said
            code = ended.code
    sys.exit(code)


def _speaks_utf8(stream: object) -> None:
    """Files and pipes get the same bytes whatever the locale; a terminal its own, and what it lacks as escapes."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _code_of(command: Callable[[], Any], ended: Ended) -> int:
    try:
        answer = command()
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        _say(shown.getvalue().rstrip("\n"))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        _say("\n".join(["interrupted", *_notes(error)]))
        return ended.code
    except SystemExit:  # click's answer to a closed pipe
        return _nobody_listens()
    except DeadlockError as error:
        return _bug(error)
    except ClustersimError as error:
        _say(_indented(str(error)))
        return INFEASIBLE if isinstance(error, InfeasibleError) else BAD_INPUT
    except BrokenPipeError:
        raise
    except OSError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # the terminal went away with what it said
            return ended.code
        return _refused_by_the_system(error)
    except MemoryError:
        _say("there is not enough memory for this: a smaller one, or fewer --workers, would do")
        return BAD_INPUT
    except Exception as error:
        return _bug(error)
    return answer if isinstance(answer, int) else DONE


def _nobody_listens() -> int:
    """The reader of our output, such as `head`, has seen enough: nothing is wrong, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return DONE


def _refused_by_the_system(error: OSError) -> int:
    """A full disk, a folder that cannot be written, too many open files: said as the system says it."""
    if error.errno is None:
        return _bug(error)
    where = f"{error.filename}: " if error.filename is not None else ""
    remedy = ". Make room, then give the same command again" if error.errno in NO_ROOM else ""
    _say("\n".join([f"{where}{error.strerror}{remedy}", *_notes(error)]))
    return BAD_INPUT


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


def _indented(message: str) -> str:
    """What follows the first line, moved in: a name with an end of line in it cannot pass for a line of ours."""
    first, *rest = message.split("\n")
    return "\n".join([first, *(line if line.startswith("  ") else f"  {line}" for line in rest)])


def _say(message: str) -> None:
    with suppress(OSError):  # nobody is there to read it
        say(message)
