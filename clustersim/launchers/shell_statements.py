"""Where the commands of a script begin and end: whole `if`, loops and functions, and what is redirected."""

from __future__ import annotations

import re

from clustersim.launchers.shell_words import Token

OPENS = {"if": "fi", "case": "esac", "for": "done", "while": "done", "until": "done", "select": "done", "{": "}"}
FUNCTION = re.compile(r"[A-Za-z_][\w.-]*")


def opens(block: list[Token], at: int) -> int:
    """1 where a word begins an `if`, a loop or braces, else 0."""
    token = block[at]
    return int(token.kind == "word" and token.text in OPENS and begins(block, at))


def closes(block: list[Token], at: int) -> int:
    """1 where a word ends one, else 0."""
    token = block[at]
    return int(token.kind == "word" and token.text in ("fi", "esac", "done", "}") and begins(block, at))


def begins(block: list[Token], at: int) -> bool:
    """Whether a command may begin here, so that a word of the shell is one."""
    if at == 0:
        return True
    before = block[at - 1]
    if before.kind in ("newline", "heredoc"):
        return True
    if before.kind == "operator":
        return before.text in (";", "&&", "||", "|", "&", "(", ")", ";;")
    return before.text in ("then", "do", "else", "elif", "if", "while", "until", "!", "{", "fi", "done", "esac", "}")


def statement_end(block: list[Token], at: int) -> int:
    """Where the command that begins at `at` ends: a whole `if`, loop or function, or one line."""
    start, depth, brackets = at, 0, 0
    compound = False
    while at < len(block):
        token = block[at]
        if token.kind == "word":
            opened, closed = opens(block, at), closes(block, at)
            depth += opened - closed
            compound = compound or bool(opened)
        elif token.kind == "operator" and token.text == "(" and depth == 0:
            brackets += 1
        elif token.kind == "operator" and token.text == ")" and depth == 0:
            brackets = max(brackets - 1, 0)
        elif depth <= 0 and brackets == 0:
            ends = token.kind == "newline" or (
                token.kind == "operator" and token.text in (";", "&&", "||", "|", "|&", "&", ";;")
            )
            if ends and token.kind == "newline" and opens_function(block[start:at]) and not compound:
                at += 1  # the body's { stands on the next line
                continue
            if ends:
                if block[at - 1].text == "[[" or _open_test(block[start:at]):
                    at += 1
                    continue
                break
        at += 1
    return at


def _open_test(statement: list[Token]) -> bool:
    """Whether `[[` is open, in which && and || are part of the condition."""
    if statement[0].text not in ("[[", "if", "while", "elif", "!"):
        return False
    texts = [token.text for token in statement]
    return "[[" in texts and "]]" not in texts


def opens_function(statement: list[Token]) -> bool:
    """Whether it defines a function: `function f` or `f ()`."""
    if statement and statement[0].text == "function" and statement[0].kind == "word":
        return True
    return (
        len(statement) >= 3
        and statement[0].kind == "word"
        and FUNCTION.fullmatch(statement[0].text) is not None
        and [token.text for token in statement[1:3]] == ["(", ")"]
    )


def split(block: list[Token], keywords: tuple[str, ...]) -> list[tuple[str, list[Token]]]:
    """The parts of an `if` between its own keywords, each after its keyword."""
    parts: list[tuple[str, list[Token]]] = [("", [])]
    depth = 0
    for at, token in enumerate(block):
        if token.kind == "word":
            depth += opens(block, at) - closes(block, at)
            if depth == 0 and token.text in keywords and begins(block, at):
                parts.append((token.text, []))
                continue
        parts[-1][1].append(token)
    return parts


def redirected(statement: list[Token]) -> tuple[list[Token], Token | None, str]:
    """The words of a command without its redirections, the text that is handed to it, and where it writes."""
    words: list[Token] = []
    heredoc, target, skip = None, "", ""
    for token in statement:
        if token.kind == "heredoc":
            heredoc = token
        elif token.kind == "operator":
            skip = token.text
            if words and words[-1].text in ("1", "2") and token.text in (">", ">>", ">&"):
                words.pop()
            continue
        elif token.kind == "word" and skip in (">", ">>", ">&", "<", "<&", "&>", "&>>", ">|", "<<<"):
            target = token.text.strip("\"'") if skip in (">", ">>", ">|") else target
        elif token.kind == "word":
            words.append(token)
        skip = ""
    return words, heredoc, target
