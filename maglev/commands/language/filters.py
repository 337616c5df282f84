"""Filters of the output of one command: JSON instead of text, matching lines only, or just their number.

``diff`` is none of the output alone: the command itself compares.

Expressions are matched against lines whose words are separated by single blanks, whatever the columns look like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import re2

from maglev.commands.language.faults import BadArgumentError
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.commands.language.arguments import Value

PROGRAM_LIMIT: Final = 250
"""Maximum number of instructions of all expressions of a line together: ``(up|down)`` compiles to 12. Where RE2's
automaton does not fit its memory, a search takes 3 to 7 ns per instruction and character: with this limit, at worst 30
ms for a slice of output, in the reactor."""

MEMORY: Final = 1 << 20
"""Memory of RE2 for one expression, in bytes: as much as 250 instructions can use. A session may have eight."""

SEARCHED: Final = 16384
"""Characters of a line that are searched. Only rows of JSON with a hundred backends are longer."""


@attrs.frozen
class _Test:
    """A search in each line."""

    pattern: re2._Regexp
    kind: str

    def passes(self, text: bytes) -> bool:
        """Return whether a line goes on; of ``begin``, whether it is the first that does."""
        return (self.pattern.search(text) is not None) is (self.kind != "exclude")


@attrs.frozen
class Filters:
    """Filters of the output of one command.

    Attributes:
        json: Whether it is written as JSON.
        diff: Whether it is compared with the file.
        count: Whether only the number of lines is written.
    """

    json: bool = False
    diff: bool = False
    count: bool = False
    _tests: tuple[_Test, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return self.json or self.count or bool(self._tests)

    @property
    def only_json(self) -> bool:
        """Whether JSON is written as it is: filters of lines want one line for each element of a list."""
        return self.json and not self.count and not self._tests

    def with_filter(self, arguments: Mapping[str, Value], column: int) -> Filters:
        """Return these filters and one more, described by the bindings collected in `FILTERS`.

        Raises:
            BadArgumentError: The expression at that column is not valid.
        """
        kind = arguments["filter"]
        if kind == "json":
            return attrs.evolve(self, json=True)
        if kind == "diff":
            return attrs.evolve(self, diff=True)
        if kind == "count":
            return attrs.evolve(self, count=True)
        pattern = _pattern(str(arguments["expression"]), column)
        tests = (*self._tests, _Test(pattern, str(kind)))
        if sum(test.pattern.programsize for test in tests) > PROGRAM_LIMIT:
            raise BadArgumentError(column, "The expression is too complex")
        return attrs.evolve(self, tests=tests)

    def sieve(self) -> Sieve:
        """Return what lets the lines of one output pass."""
        return Sieve(self._tests)


class Sieve:
    """Lets lines of one output pass; ``begin`` remembers that it has begun."""

    def __init__(self, tests: Sequence[_Test]) -> None:
        self._tests = list(tests)

    def passes(self, text: str) -> bool:
        """Return whether the next line passes; ``text`` is printable ASCII."""
        if not self._tests:
            return True
        words = " ".join(text[:SEARCHED].split()).encode("ascii")
        for test in tuple(self._tests):
            if not test.passes(words):
                return False
            if test.kind == "begin":
                self._tests.remove(test)
        return True


def _pattern(text: str, column: int) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False  # RE2 would write to our standard error
    options.max_mem = MEMORY
    options.encoding = re2.Options.Encoding.LATIN1  # all output is ASCII: no need for the large classes of Unicode
    try:
        return re2.compile(text.encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        raise BadArgumentError(column, f"Invalid expression: {printable(reason)}") from None
