"""The blocks of code in the pages: what they are, and which of them are run. ``docs/writing.rst`` has the rules."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
PAGES = {path.name: path for path in (*sorted((ROOT / "docs").glob("*.rst")), ROOT / "README.rst")}
"""Every page, by the name of its file."""

COMMENT = re.compile(r"\.\. (not run|goes on|afresh|page): (.*)")
DIRECTIVE = re.compile(r"\.\. code-block:: ([a-z]+)")
OPTION = re.compile(r" *:([a-z-]+): (.*)")


@attrs.frozen
class Block:
    """One block.

    Attributes:
        page: The name of the file.
        line: Where its directive is, from 1.
        language: Of the directive; empty for a literal block (``::``).
        text: What is in it.
        options: Those of the directive, and what the comment before it says: ``not run``, ``goes on``, ``afresh``.
    """

    page: str
    line: int
    language: str
    text: str
    options: dict[str, str]

    def __str__(self):
        return f"{self.page}:{self.line}"

    @property
    def skipped(self):
        """Why it is not run; empty if it is."""
        return self.options.get("not run", "")


def blocks_of(name):
    """Return the blocks of a page, in order."""
    return [*_blocks(name, PAGES[name].read_text(encoding="utf-8").splitlines())]


def page_options(name):
    """Return what the comments ``.. page:`` of a page say."""
    return re.findall(r"^\.\. page: (.*)$", PAGES[name].read_text(encoding="utf-8"), re.MULTILINE)


def _blocks(name, lines):
    said = {}
    for index, line in enumerate(lines):
        words = line.strip()
        if comment := COMMENT.fullmatch(words):
            said = {comment[1]: _continued(comment[2], lines[index + 1 :])}
            continue
        directive = DIRECTIVE.fullmatch(words)
        if directive or (words.endswith("::") and not words.startswith("..")):
            text = _indented(line, lines[index + 1 :])
            options, text = _options(text) if directive else ({}, text)
            yield Block(name, index + 1, directive[1] if directive else "", text, options | said)
        if words and not line.startswith(" "):
            said = {}


def _continued(text, lines):
    """Return the text of a comment with the lines that go on with it."""
    more = []
    for line in lines:
        if not line.startswith("   "):
            break
        more.append(line.strip())
    return " ".join([text, *more])


def _indented(head, lines):
    """Return what is deeper than the line that a block begins with, without the indentation."""
    depth = len(head) - len(head.lstrip())
    held = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= depth:
            break
        held.append(line)
    return textwrap.dedent("\n".join(held)).strip("\n") + "\n"


def _options(text):
    options = {}
    lines = text.split("\n")
    while lines and (option := OPTION.fullmatch(lines[0])):
        options[option[1]] = option[2]
        del lines[0]
    return options, "\n".join(lines).lstrip("\n")


@attrs.frozen
class Command:
    """A command of a block with a prompt.

    Attributes:
        prompt: ``$``, ``#``, ``lb1#`` or ``lb1>``.
        text: The command; its further lines are those that begin with ``>``.
        shown: The output that the page shows; None if it shows none.
    """

    prompt: str
    text: str
    shown: str | None


PROMPT = re.compile(r"(\$|#|lb1[#>]) (.*)")


def commands_of(block):
    """Return the commands of a block, each with the output that follows it."""
    commands = []
    for line in block.text.rstrip("\n").split("\n"):
        if match := PROMPT.fullmatch(line):
            commands.append([match[1], match[2], None])
        else:
            assert commands, f"{block}: it does not begin with a prompt"
            last = commands[-1]
            if last[2] is None and line.startswith("> "):
                last[1] += f"\n{line[2:]}"
            else:
                last[2] = (last[2] or "") + f"{line}\n"
    return [Command(*each) for each in commands]


def matches(shown, found):
    """Return whether an output is as shown; ``...`` stands for anything. Blanks at the end of a line do not count."""
    parts = [re.escape(part) for part in _trimmed(shown).split("...")]
    return re.fullmatch(".*".join(parts), _trimmed(found), re.DOTALL) is not None


def _trimmed(text):
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
