"""Where habits of phrasing occur that the texts of this project avoid: in messages, prose of code, tests, and pages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]

PHRASES = {
    "is no": re.compile(r"(?<!there )\bis no (?!longer\b|more\b)[a-z]"),
    "anew": re.compile(r"\banew\b"),
    "whoever": re.compile(r"\bwhoever\b"),
    "take note": re.compile(r"\btakes? note\b"),
    "not any more": re.compile(r"\bnot any more\b"),
    "be heard of": re.compile(r"\bbe heard of\b"),
    "is, is": re.compile(r"[a-z] is, is\b"),
    "the way of": re.compile(r"\bthe way of\b"),
    "told of": re.compile(r"\btold of\b"),
}
"""Each phrase and its pattern. "There is no X" and "is no longer" are plain English."""


def messages() -> list[str]:
    """Return the string literals of the program that are not docstrings."""
    return [text for path in _sources() for text in _literals(path)[0]]


def code_prose() -> list[str]:
    """Return the docstrings and comments of the program."""
    return [text for path in _sources() for text in [*_literals(path)[1], *_comments(path)]]


def tests_prose() -> list[str]:
    """Return the docstrings, comments and names of the tests, and what they say; but for the examples of phrases."""
    paths = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path.name not in EXAMPLES]
    texts = [text for path in paths for part in _literals(path) for text in part]
    return [*texts, *(text for path in paths for text in [*_comments(path), *_names(path)])]


def pages() -> list[str]:
    """Return the README, the documentation and the man pages."""
    paths = [ROOT / "README.rst", *(ROOT / "docs").glob("*.rst"), *(ROOT / "man").iterdir()]
    return [path.read_text(encoding="utf-8") for path in sorted(paths)]


def packaging() -> list[str]:
    """Return what the packages bring beside programs and pages, and the files that build them."""
    paths = [path for path in sorted((ROOT / "debian").rglob("*")) if path.is_file()]
    return [path.read_text(encoding="utf-8") for path in [*paths, ROOT / "Makefile", ROOT / "setup.cfg"]]


_BEHIND_HASH = re.compile(r"#[# ]*(.*)")

_FUNCTION = re.compile(r"^ *(?:async )?def (\w+)", re.MULTILINE)

EXAMPLES = {"phrases.py", "test_words.py"}
"""Files of the tests that quote the phrases."""

AREAS = {"messages": messages, "code prose": code_prose, "tests": tests_prose, "pages": pages, "packaging": packaging}


def count(texts: list[str]) -> Counter[str]:
    """Return how often each phrase occurs, in either case and across line breaks."""
    plain = "\n".join(" ".join(text.lower().split()) for text in texts)
    return Counter({name: len(regex.findall(plain)) for name, regex in PHRASES.items()})


def _sources() -> list[Path]:
    return sorted((ROOT / "maglev").rglob("*.py"))


def _literals(path: Path) -> tuple[list[str], list[str]]:
    """Return the string literals of a module, and its docstrings; the parts of an f-string are one text."""
    nodes = _nodes(path, ast.Expr, ast.Constant, ast.JoinedStr)
    statements = [node.value for node in nodes if isinstance(node, ast.Expr)]
    docstrings = [node for node in statements if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    skipped = {id(node) for node in docstrings} | {id(part) for node in formatted for part in node.values}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts = [node.value for node in constants if id(node) not in skipped]
    texts += ["".join(part.value if isinstance(part, ast.Constant) else "{}" for part in f.values) for f in formatted]
    return texts, [node.value for node in docstrings]


def _names(path: Path) -> list[str]:
    """Return the names of the functions of a module as sentences."""
    return [name.replace("_", " ") for name in _FUNCTION.findall(path.read_text(encoding="utf-8"))]


def _nodes(path: Path, *kinds: type[ast.AST]) -> list[ast.AST]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]


def _comments(path: Path) -> list[str]:
    """Return the comments of a module, those on lines after one another as one text."""
    source = path.read_text(encoding="utf-8")
    # Tokens take a hundred times as long, and nearly no module has any of the words behind a "#".
    if not any(regex.search(" ".join(_BEHIND_HASH.findall(source)).lower()) for regex in PHRASES.values()):
        return []
    blocks: list[tuple[int, list[str]]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if not blocks or token.start[0] != blocks[-1][0] + 1:
                blocks.append((0, []))
            blocks[-1] = token.start[0], [*blocks[-1][1], token.string.lstrip("# ")]
    return [" ".join(lines) for _, lines in blocks]


if __name__ == "__main__":
    for area, texts in AREAS.items():
        print(f"{area}: {dict(count(texts()))}")
