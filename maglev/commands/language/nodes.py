"""The elements of the command tree: words, arguments, and the commands that end there. Data only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from maglev.commands.language.environment import Environment, ExitStatus
from maglev.model.caller import Role

if TYPE_CHECKING:
    from maglev.commands.language.arguments import ArgumentType, Value
    from maglev.commands.language.output import Output
    from maglev.interfaces import IControl


@attrs.frozen
class Invocation:
    """One typed command, with everything that its handler needs.

    Attributes:
        control: The verbs.
        environment: The surroundings of the session.
        output: Where views and lines go.
        arguments: The values of the arguments and bindings on the way, by name.
        root: The command tree, for ``help``.
    """

    control: IControl
    environment: Environment
    output: Output
    arguments: Mapping[str, Value]
    root: TreePosition

    def text(self, name: str) -> str:
        """Return the value of an argument of the command."""
        return str(self.arguments[name])

    def number(self, name: str) -> int:
        """Return the value of a numeric argument of the command."""
        return int(self.arguments[name])

    def refuse(self, text: str) -> ExitStatus:
        """Report why the command failed, after any output."""
        self.environment.write_error(f"% {text}\n")
        return ExitStatus.FAILED


Handler = Callable[[Invocation], Awaitable[ExitStatus]]


@attrs.frozen
class Command:
    """The command of a complete line.

    Attributes:
        handler: A coroutine function. Its errors are `MaglevError` children with a text for a person.
        summary: What it does, as one short line; empty if the help of its last word says so.
        role: Who may do it: shown in help and in the reference. Control refuses, not the tree: an attempt is audited.
        notes: More about it, for the reference: sentences in reStructuredText.
        compares: Whether it can compare what it shows with the file (``| diff``).
    """

    handler: Handler
    summary: str = ""
    role: Role = Role.VIEWER
    notes: str = ""
    compares: bool = False


@attrs.frozen(kw_only=True)
class TreePosition:
    """Base class of words and arguments.

    Attributes:
        help: What the word is, as one short line.
        children: What may come next: either words or one argument.
        options: Words that may follow this one in any order, each once, each with its own continuation.
        command: What a line that ends here does; None if none may end here, and for parts of an option.
        ends: Whether an option may end here.
    """

    help: str
    children: tuple[Node, ...] = ()
    options: tuple[Keyword, ...] = ()
    command: Command | None = None
    ends: bool = False


@attrs.frozen(kw_only=True)
class Keyword(TreePosition):
    """A fixed word.

    Attributes:
        word: As it is typed in full.
        binds: Name and value that the word adds to the arguments.
    """

    word: str = attrs.field(kw_only=False)
    binds: tuple[str, Value] | None = None

    @property
    def label(self) -> str:
        """How it is written in help."""
        return self.word


@attrs.frozen(kw_only=True)
class Argument(TreePosition):
    """A word chosen by the user.

    Attributes:
        name: Name of its value among the arguments.
        type: How it is parsed and completed.
    """

    name: str = attrs.field(kw_only=False)
    type: ArgumentType

    @property
    def label(self) -> str:
        """How it is written in help."""
        return f"<{self.type.label or self.name}>"


Node = Keyword | Argument


@attrs.frozen
class Summary:
    """One command, or one filter.

    Attributes:
        syntax: As it is typed, such as ``show frontends <name>``.
        help: What it does, as one short line.
        command: What it does; None for a filter.
        options: The words that may follow in any order.
    """

    syntax: str
    help: str
    command: Command | None
    options: tuple[Keyword, ...]


def summaries(root: TreePosition) -> Iterator[Summary]:
    """Yield all commands of a tree, in its order."""
    return _below(root, "")


def _below(place: TreePosition, path: str) -> Iterator[Summary]:
    for node in place.children:
        syntax = f"{path}{node.label}"
        if node.command is not None or node.ends:
            options = "".join(f" [{_option(option)}]" for option in node.options)
            text = (node.command and node.command.summary) or node.help
            yield Summary(syntax + options, text, node.command, node.options)
        yield from _below(node, f"{syntax} ")


def _option(node: Node) -> str:
    """Return the syntax of an option, with what belongs to it."""
    inner = "|".join(map(_option, node.children))
    if not inner:
        return node.label
    return f"{node.label} [{inner}]" if node.ends else f"{node.label} {inner}"
