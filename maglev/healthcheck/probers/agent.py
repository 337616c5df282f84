"""The conversation with an agent: perhaps a request, then one line of an answer. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maglev.healthcheck.probers.dialogue import Parting, received
from maglev.model.agent import LINE_LIMIT, answer_of
from maglev.model.result import Code
from maglev.model.text import printable

if TYPE_CHECKING:
    from maglev.healthcheck.probers.dialogue import Verdict

_LINE_END: Final = re.compile(rb"[\r\n]")


class AgentDialogue:
    """Waits for the first end of a line, as HAProxy does; what comes after it is not looked at.

    The detail of a verdict `Code.L7OK` or `Code.L7STS` is the answer, which `maglev.model.agent.answer_of` reads again.
    Any other verdict says nothing: neither half a line nor one without any word of the protocol is an answer.
    """

    def __init__(self, request: bytes) -> None:
        self.verdict: Verdict | None = None
        # Many agents write their line as soon as they are connected to, and then read to the end of what we say.
        self.parting = Parting.HALF_CLOSE
        self._request = request
        self._line = b""

    def begin(self) -> bytes:
        """Return the request (`Dialogue.begin`)."""
        return self._request

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the agent (`Dialogue.feed`)."""
        end = _LINE_END.search(data)
        # An agent that sends byte by byte costs the square of the limit at most: 8 MiB are copied.
        self._line += data[: LINE_LIMIT + 1] if end is None else data[: end.start()]
        if len(self._line) > LINE_LIMIT:
            self._fail(f"no end of line in the first {LINE_LIMIT} bytes: {received(self._line)}")
        elif end is not None:
            self._judge()
        return b""

    def progress(self) -> str:
        """Return what is missing (`Dialogue.progress`)."""
        return printable(f"no line yet: {received(self._line)}")

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came (`Dialogue.end`): half a line is none."""
        self._fail(f"{how} before the end of a line: {received(self._line)}")
        return self.verdict or (Code.L7RSP, how)

    def _judge(self) -> None:
        answer = answer_of(self._line)
        if answer.words:
            self.verdict = Code.L7STS if answer.is_down else Code.L7OK, str(answer)
        else:
            self._fail(f"not a word of an agent: {received(self._line)}")

    def _fail(self, detail: str) -> None:
        self.verdict = Code.L7RSP, printable(detail)
        self.parting = Parting.RESET
