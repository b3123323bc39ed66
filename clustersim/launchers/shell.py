"""A launch script, interpreted in a small safe subset: which commands it would start, with what words.

Nothing is executed and nothing but the files that it sources is read. Variables, arrays, functions, `if`, `case` and
loops are followed as far as their conditions are known from the file; every loop runs once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from clustersim.inputs.files import UnreadableError, read_utf8
from clustersim.launchers.arithmetic import UnknownValueError, reckon
from clustersim.launchers.script import Command, Script
from clustersim.launchers.shell_conditions import holds, matches
from clustersim.launchers.shell_expansion import Expansion
from clustersim.launchers.shell_statements import (
    FUNCTION,
    closes,
    opens,
    opens_function,
    redirected,
    split,
    statement_end,
)
from clustersim.launchers.shell_text import Array, Piece, Text, Word, mark, plain, unknown_in, unquoted, without_unset
from clustersim.launchers.shell_words import ShellError, Token, tokens

MOST_BYTES = 500_000
MOST_COMMANDS = 50_000
MOST_FILES = 20
DEEPEST = 12  # functions, sourced files and scripts inside scripts
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[[^\]]*\])?(\+?=)")
_DECLARES = ("export", "local", "declare", "readonly", "typeset")
_SHELLS = ("sh", "bash", "zsh")


def interpret(text: str, folder: Path, name: str = "script.sh", environment: Mapping[str, str] | None = None) -> Script:
    """Follow a script that lies in `folder`. Raises ShellError where it can't be: torn, or grown beyond bounds."""
    shell = _Shell(folder.absolute(), name, environment or {})
    shell.run(text, 1)
    shell.script.variables = {
        key: plain(value) for key, value in shell.expansion.variables.items() if not isinstance(value, dict)
    }
    shell.script.arrays = {
        key: [(plain(entry), entry[0].line if entry else 0) for entry in value.values()]
        for key, value in shell.expansion.variables.items()
        if isinstance(value, dict) and key != "BASH_SOURCE"
    }
    return shell.script


class _Shell:
    def __init__(self, folder: Path, name: str, environment: Mapping[str, str]) -> None:
        self.folder, self.name = folder, name
        self.script = Script()
        self.expansion = Expansion(self._substitute)
        self.functions: dict[str, list[Token]] = {}
        self.steps = self.depth = 0
        self.where = ""  # the sourced file that is being read
        self.expansion.variables["BASH_SOURCE"] = {"0": [Piece(str(folder / name), 1)]}
        for key, value in environment.items():
            self.expansion.variables[key] = [Piece(value, 0)]

    def run(self, text: str, line: int) -> None:
        """Follow a script, or a part of one."""
        self._block(tokens(text, line))

    def _remark(self, line: int, text: str) -> None:
        self.script.remarks.append((line, f"{self.where}: {text}" if self.where else text))

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ShellError(f"functions, files or scripts inside one another, more than {DEEPEST} deep")

    def _block(self, block: list[Token]) -> bool | None:
        """Follow commands one by one; the status of the last."""
        self._deeper()
        status: bool | None = True
        at, joint = 0, ";"
        while at < len(block):
            token = block[at]
            if token.kind == "newline" or (token.kind == "operator" and token.text in (";", "&", ";;", "|", "|&")):
                joint, at = ";", at + 1
                continue
            if token.kind == "operator" and token.text in ("&&", "||"):
                joint, at = token.text, at + 1
                while at < len(block) and block[at].kind == "newline":
                    at += 1
                continue
            self.steps += 1
            if self.steps > MOST_COMMANDS:
                raise ShellError(f"more than {MOST_COMMANDS:,} commands")
            end = statement_end(block, at)
            runs = joint == ";" or status is (joint == "&&")
            if runs:
                status = self._statement(block[at:end])
            at = max(end, at + 1)
        self.depth -= 1
        return status

    def _statement(self, statement: list[Token]) -> bool | None:
        first = statement[0]
        if first.kind == "operator":
            if first.text == "(" and len(statement) > 2:
                return self._block(statement[1:-1])
            return True
        negated = first.text == "!" and len(statement) > 1
        if negated:
            status = self._statement(statement[1:])
            return None if status is None else not status
        word = first.text
        if word == "if":
            return self._if(statement)
        if word == "case":
            return self._case(statement)
        if word in ("for", "select"):
            return self._for(statement)
        if word in ("while", "until"):
            return self._while(statement)
        if word == "{":
            return self._block(statement[1:-1])
        if word == "function" or opens_function(statement):
            self._define(statement)
            return True
        return self._simple(statement)

    def _define(self, statement: list[Token]) -> None:
        name = statement[1].text if statement[0].text == "function" and len(statement) > 1 else statement[0].text
        start = next((n for n, token in enumerate(statement) if token.text == "{"), None)
        if start is not None:
            self.functions[name] = statement[start + 1 : -1]

    def _if(self, statement: list[Token]) -> bool | None:
        """Follow the branch whose condition holds; where none can be decided, none, and that is remarked."""
        parts = split(statement[1:-1], ("then", "elif", "else"))
        condition: list[Token] = []
        word = "if"
        for keyword, part in parts:
            if keyword in ("", "elif"):
                condition = part
                word = keyword
                continue
            if keyword == "else":
                return self._block(part)
            holds = self._block(condition)
            if holds:
                return self._block(part)
            if holds is None:
                shown = " ".join(token.text for token in condition if token.kind == "word")[:60]
                self._remark(statement[0].line, f"{word or 'if'} {shown}: not known before a run; taken as false")
        return True

    def _case(self, statement: list[Token]) -> bool | None:
        words = [token for token in statement if token.kind == "word"]
        if len(words) < 2:
            return True
        value = self.expansion.text(words[1].text, words[1].line)
        unknown, subject = unknown_in(value), without_unset(value)
        start = next((n for n, token in enumerate(statement) if token.kind == "word" and token.text == "in"), None)
        if start is None:
            return True
        at, end = start + 1, len(statement) - 1
        while at < end:
            patterns: list[str] = []
            while at < end and not (statement[at].kind == "operator" and statement[at].text == ")"):
                if statement[at].kind == "word":
                    patterns.append(self.expansion.text(statement[at].text, statement[at].line))
                at += 1
            at += 1
            begin = at
            depth = 0
            while at < end and not (
                depth == 0 and statement[at].kind == "operator" and statement[at].text in (";;", ";&", ";;&")
            ):
                depth += opens(statement, at) - closes(statement, at)
                at += 1
            if any(matches(subject, pattern) for pattern in patterns):
                if unknown:
                    self._remark(
                        words[0].line, f"case {words[1].text}: {unknown} isn't set; its {patterns[0]} is taken"
                    )
                return self._block(statement[begin:at])
            at += 1
        return True

    def _for(self, statement: list[Token]) -> bool | None:
        start = next((n for n, token in enumerate(statement) if token.kind == "word" and token.text == "do"), None)
        if start is None or len(statement) < 2:
            return True
        name = statement[1].text
        listed = [token for token in statement[3:start] if token.kind == "word"]
        values = [word for token in listed for word in self.expansion.words(token.text, token.line)]
        if values and FUNCTION.fullmatch(name):
            self.expansion.variables[name] = [Piece(values[0].text, values[0].line)]
            if len(values) > 1:
                self._remark(
                    statement[0].line, f"a loop over {len(values)} values of {name}: {values[0].text} alone is read"
                )
        return self._block(statement[start + 1 : -1])

    def _while(self, statement: list[Token]) -> bool | None:
        start = next((n for n, token in enumerate(statement) if token.kind == "word" and token.text == "do"), None)
        if start is None:
            return True
        holds = self._block(statement[1:start])
        if holds is (statement[0].text == "while"):
            return self._block(statement[start + 1 : -1])
        return True

    def _simple(self, statement: list[Token]) -> bool | None:
        """An assignment, a test, or a command that is written down."""
        written, heredoc, target = redirected(statement)
        environment: dict[str, Text | Array] = {}
        at = 0
        while at < len(written) and (match := _ASSIGNMENT.match(written[at].text)):
            self._assign(match, written[at], environment)
            at += 1
        if at == len(written):
            self.expansion.variables |= environment
            return True
        first = written[at].text
        if first == "[[":
            return self._test(written[at + 1 : -1], double=True)
        if first.startswith("((") or first == "let":
            return self._arithmetic(written[at:])
        if first in _DECLARES:
            self._declare(written[at + 1 :])
            return True
        words = [word for token in written[at:] for word in self.expansion.words(token.text, token.line)]
        if not words:
            return True
        if words[0].text in ("[", "test"):
            return self._test(written[at + 1 : len(written) - (words[0].text == "[")], double=False)
        return self._command(words, environment, heredoc, target)

    def _command(
        self, words: list[Word], environment: dict[str, Text | Array], heredoc: Token | None, target: str
    ) -> bool | None:
        name = words[0].text
        if name in ("true", ":", "false"):
            return name != "false"
        if name in self.functions:
            before = self.expansion.positional
            self.expansion.positional = [[Piece(word.text, word.line)] for word in words[1:]]
            status = self._block(self.functions[name])
            self.expansion.positional = before
            return status
        if name in ("source", ".") and len(words) > 1:
            self._source(words[1])
            return True
        if name == "eval":
            self._inside(" ".join(word.text for word in words[1:]), words[0].line)
            return True
        if heredoc is not None:
            self._document(heredoc, target, name)
        self._shell_in_shell(words)
        plainly = {key: plain(value) for key, value in environment.items() if not isinstance(value, dict)}
        self.script.commands.append(Command(tuple(words), plainly))
        return None if name in ("grep", "command", "which", "type", "diff", "ping", "nvidia-smi") else True

    def _document(self, heredoc: Token, target: str, command: str) -> None:
        """A file that the script writes, or a script that it hands to another shell."""
        text = heredoc.text
        if heredoc.expands:
            text = plain(self.expansion.pieces(text.replace('"', '\\"'), heredoc.line, inside_quotes=True))
        if target:
            self.script.files[target] = (text, heredoc.line)
        if command in ("sbatch", *_SHELLS) or text.lstrip().startswith("#!"):
            self._inside(text, heredoc.line)

    def _shell_in_shell(self, words: list[Word]) -> None:
        """`sh -c "..."`, wherever it stands in a command, and `sbatch --wrap "..."`."""
        for number, word in enumerate(words[:-1]):
            shell = os.path.basename(word.text) in _SHELLS
            options = words[number + 1].text
            if shell and re.fullmatch(r"-[a-z]*c", options) and number + 2 < len(words):
                self._inside(words[number + 2].text, words[number + 2].line)
            elif word.text == "--wrap":
                self._inside(words[number + 1].text, words[number + 1].line)
        for word in words:
            if word.text.startswith("--wrap="):
                self._inside(word.text.removeprefix("--wrap="), word.line)

    def _inside(self, text: str, line: int) -> None:
        """Follow a script that is a text of this one."""
        self._deeper()
        self.run(text, line)
        self.depth -= 1

    def _source(self, word: Word) -> None:
        """Follow a file that the script sources, if it lies where the script says."""
        if unknown := unknown_in(word.text):
            self._remark(word.line, f"source: which file isn't known ({unknown})")
            return
        file = self.folder / os.path.expanduser(word.text)
        try:
            text = read_utf8(file, MOST_BYTES)
        except (UnreadableError, OSError) as error:
            self._remark(word.line, f"source {word.text}: {error}")
            return
        self.script.sourced.append(str(file))
        if len(self.script.sourced) > MOST_FILES:
            raise ShellError(f"more than {MOST_FILES} sourced files")
        before, self.where = self.where, file.name
        self._inside(text, 1)
        self.where = before

    def _declare(self, written: list[Token]) -> None:
        for token in written:
            if match := _ASSIGNMENT.match(token.text):
                self._assign(match, token, self.expansion.variables)

    def _assign(self, match: re.Match[str], token: Token, into: dict[str, Text | Array]) -> None:
        name, index, adds = match[1], (match[2] or "")[1:-1], match[3] == "+="
        raw = token.text[match.end() :]
        variables = self.expansion.variables
        value: Text | Array
        if raw.startswith("(") and raw.endswith(")"):
            value = self.expansion.entries(raw[1:-1], token.line)
            old = variables.get(name) if adds else None
            if isinstance(old, dict):
                value = old | {str(len(old) + n): entry for n, entry in enumerate(value.values())}
        else:
            value = [piece for piece in self.expansion.pieces(raw, token.line) if piece.line >= 0]
            old = variables.get(name)
            if index:
                value = (dict(old) if isinstance(old, dict) else {}) | {
                    without_unset(self.expansion.text(index, token.line)): value
                }
            elif adds and isinstance(old, list):
                value = old + value
            elif adds and isinstance(old, dict):
                value = old | {"0": old.get("0", []) + value}
        into[name] = value

    def _arithmetic(self, written: list[Token]) -> bool | None:
        """`(( a > b ))` as a condition; an assignment in it is followed."""
        text = " ".join(token.text for token in written).removeprefix("let").strip()
        text = text.removeprefix("((").removesuffix("))")
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=([^=].*)", text)
        result = self.expansion.arithmetic(match[2] if match else text, written[0].line)
        if match:
            self.expansion.variables[match[1]] = [Piece(result, written[0].line)]
        return None if unknown_in(result) else result != "0"

    def _test(self, written: list[Token], *, double: bool) -> bool | None:
        """Whether a condition holds; None where that isn't known."""
        words = []
        for token in written:
            if double or token.text.startswith(('"', "'")) or "$" not in token.text:
                words.append(self.expansion.text(token.text, token.line))
            else:
                words += [word.text for word in self.expansion.words(token.text, token.line)]
        return holds(words, self._reckoned)

    def _reckoned(self, text: str) -> int | None:
        try:
            return reckon(text, lambda name: self.expansion._number(name, 0))
        except (ShellError, UnknownValueError):
            return None

    def _substitute(self, text: str, line: int) -> str:
        """What `$(...)` prints, where that is plain: a folder's name, an echo, a sum; else a mark."""
        stripped = text.strip()
        unknown = mark(f"$({stripped[:60]})")
        if re.match(r"cd\s", stripped) and re.search(r"(&&|;)\s*pwd(\s+-P)?$", stripped):
            stripped = "echo " + re.split(r"\s*(?:>|&&|;)", stripped[2:].strip())[0]
        if stripped == "pwd":
            return str(self.folder)
        if re.search(r"[|;&<>]", unquoted(stripped)):
            return self._piped(stripped, line, unknown)
        words = [word.text for token in tokens(stripped, line) for word in self.expansion.words(token.text, token.line)]
        if not words:
            return ""
        known = {
            "echo": lambda: " ".join(word for word in words[1:] if word not in ("-n", "-e")),
            "dirname": lambda: os.path.dirname(words[1].replace("$0", str(self.folder / self.name))) or ".",
            "basename": lambda: os.path.basename(words[1].replace("$0", self.name)).removesuffix("".join(words[2:3])),
            "realpath": lambda: words[-1].replace("$0", str(self.folder / self.name)),
            "readlink": lambda: words[-1].replace("$0", str(self.folder / self.name)),
            "expr": lambda: self.expansion.arithmetic(" ".join(words[1:]), line),
        }
        return known[words[0]]() if words[0] in known and len(words) > 1 else unknown

    def _piped(self, text: str, line: int, unknown: str) -> str:
        """`echo "a * b" | bc`, as far as it is about whole numbers."""
        match = re.fullmatch(r"echo\s+(.*?)\s*\|\s*bc(?:\s+-l)?", text, re.DOTALL)
        if match is None:
            return unknown
        expression = self.expansion.text(match[1], line)
        if unknown_in(expression):
            return unknown
        try:
            return self.expansion.arithmetic(expression.split(";")[-1], line)
        except ShellError:
            return unknown
