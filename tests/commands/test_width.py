"""No line of any ``show`` command is wider than a terminal of 80 columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.commands.language.arguments import LiveAddress, LiveName
from maglev.commands.language.environment import ExitStatus
from maglev.commands.language.nodes import Keyword
from maglev.commands.render.columns import Grid
from maglev.commands.render.lines import Cell, Line, Style, fitted, wrapped
from maglev.commands.session import CommandSession
from maglev.commands.tree_show import SHOW
from maglev.config.load import load_text
from maglev.demo.service import CONFIG
from maglev.model.result import Code, Result
from tests.fakes.control import FakeControl, finish
from tests.fakes.control_setup import OPERATOR, ControlSetup
from tests.fakes.environment import FakeEnvironment

COLUMNS = 80


def name(prefix):
    """Return a name as long as any may be."""
    return f"{prefix}-{'long-name.' * 7}"[:62] + "x"


MEMBERS = "\n".join(f"            {name(f'www{index}')}: {{weight: {index}}}" for index in range(1, 31))
BACKENDS = "\n".join(
    f"    {name(f'www{index}')}: {{address: '2001:db8:1111:2222:3333:4444:5555:{6000 + index}', "
    f"healthcheck: {name('check')}}}"
    for index in range(1, 31)
)
LARGE = f"""\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: '2001:db8::fe'}}}}
  healthchecks:
    {name("check")}:
      type: http
      interval: 2s
      timeout: 1s
      port: 65535
      params:
        path: /{"a/very/long/path/" * 6}
        host: {name("host")}.example.net
        response-regexp: "{"all the words of a page " * 6}"
        headers: {{X-One: a, X-Two: b, {name("X-Three").replace(".", "-")}: c}}
  backends:
{BACKENDS}
  frontends:
    {name("frontend")}:
      description: "{"somewhat more than a line can tell about it, " * 4}"
      address: 2001:db8:1111:2222:3333:4444:5555:6666
      protocol: tcp
      port: 65535
      failback-delay: 90s
      when-none-eligible: hold
      pools:
        - name: {name("pool")}
          min-up: 50%
          backends:
{MEMBERS}
        - name: {name("other")}
          backends:
            {name("www1")}: {{}}
"""


async def lines_below(control, words="show", place=SHOW, arguments=None):
    """Return every complete line below a place, with each live name that may come."""
    arguments = arguments or {}
    lines = [words] if place.command is not None else []
    for child in (*place.children, *place.options):
        if isinstance(child, Keyword):
            found = [child.word]
        elif isinstance(child.type, LiveName | LiveAddress):
            found = await child.type.complete("", arguments, control, 3)
        else:
            found = [child.type.label.rpartition("-")[2]]
        for word in found:
            lines += await lines_below(control, f"{words} {word}", child, arguments)
    return lines


async def widest(control, without=()):
    """Return the lines of every ``show`` command that are too wide, and which commands there were."""
    lines = [line for line in await lines_below(control) if not line.startswith(without)]
    wide = []
    for line in lines:
        where = FakeEnvironment(width=COLUMNS)
        where.typed = [f"show backends | include {'x' * 200}", "set backend www1 disable " * 20]
        status = await CommandSession(control, where).run(line)
        assert (status, where.errors) == (ExitStatus.OK, ""), line
        wide += [f"{line}: {each}" for each in where.output.splitlines() if len(each) > COLUMNS]
    return wide, lines


class Stretched(FakeControl):
    """The small world, whose texts are as long as they may be."""

    def __init__(self):
        super().__init__()
        self.rows = stretched(self.rows)
        self.sinks = stretched(self.sinks)
        self.logged = stretched(self.logged)
        self.checker_view = stretched(self.checker_view)
        self.not_kept = self.damage = "No space left on device, " * 9


LONG = {"address": "2001:db8:1111:2222:3333:4444:5555:6666", "prefix": "2001:db8:1111:2222:3333:4444:5555:6666/128"}
NAMES = {"name", "frontend", "backend", "pool", "healthcheck", "who", "object", "event", "sink"}
TEXTS = {"description", "reason", "detail", "why", "text", "origin", "target", "problem", "result"}


def stretched(view, key=""):
    if isinstance(view, dict):
        return {each: stretched(value, each) for each, value in view.items()}
    if isinstance(view, list | tuple):
        return [stretched(value, key) for value in view]
    if not isinstance(view, str):
        return view * 10**6 if isinstance(view, int) and not isinstance(view, bool) and key != "port" else view
    if key in NAMES or key == "frontends":
        return name(view)
    return f"{view} {'and so on ' * 20}" if key in TEXTS else LONG.get(key, view)


@pytest.mark.parametrize("control", [FakeControl, Stretched])
def test_no_line_of_any_show_command_is_wider_than_the_window(control):
    wide, lines = finish(widest(control()))

    assert wide == []
    assert {f"show {node.word}" for node in SHOW.children} == {" ".join(line.split()[:2]) for line in lines}


@pytest.mark.parametrize("text", [CONFIG, LARGE])
@pytest.mark.parametrize("down", [False, True])
def test_nor_of_what_the_verbs_say_of_a_configuration(text, down):
    bench = ControlSetup(load_text(text).config, off=True)
    if down:
        for backend in bench.board.backends:
            for _ in range(9):
                bench.board.record(backend, Result(Code.L4CON, "connection refused by somebody " * 5, 0.1))
    bench.sessions.add(OPERATOR, "ssh")
    wide, lines = finish(widest(bench.operator, ("show vpp", "show checker")))
    bench.stop()

    assert wide == []
    assert len(lines) > 15


def test_what_does_not_fit_is_clipped_or_broken_between_words_and_whole_in_a_pipe():
    control = Stretched()
    for terminal in (True, False):
        where = FakeEnvironment(terminal=terminal)
        finish(CommandSession(control, where).run("show backends | include ^www2"))
        assert name("www2") in where.output
        assert name("http-check") in where.output
        assert (len(where.output.splitlines()) == 1) is not terminal


WORDS = st.lists(st.tuples(st.text("ab ", max_size=90), st.sampled_from(list(Style))), max_size=6)


@given(WORDS, st.integers(4, 100), st.none() | st.integers(0, 90))
def test_a_line_is_broken_between_words_and_nothing_of_it_is_lost(pieces, width, hang):
    whole = Line(tuple(Cell(text, style) for text, style in pieces))
    lines = wrapped(whole, width, hang)

    assert max(len(each.plain) for each in lines) <= width
    assert "".join("".join(each.plain for each in lines).split()) == "".join(whole.plain.split())
    if max(map(len, whole.plain.split()), default=0) <= width // 2 - 2:
        assert " ".join(each.plain for each in lines).split() == whole.plain.split()


@given(st.lists(st.lists(st.text("ab ", max_size=70), min_size=3, max_size=3), min_size=1), st.booleans(), st.data())
def test_a_table_fits_into_any_window_and_only_its_last_column_is_clipped(rows, comment, data):
    width = data.draw(st.integers(40, 230))
    right = data.draw(st.booleans())
    cells = [[Cell(first), Cell(second), Cell(third, right=right)] for first, second, third in rows]
    lines = Grid(["first", "second", "third"], comment=comment and not right).rows(cells, named=True)
    shown = [each for line in lines for each in fitted(line, width)]

    assert max((len(each.plain) for each in shown), default=0) <= width
    text = "".join("".join(each.plain for each in shown).split())
    for first, second, third in rows:
        assert "".join(first.split()) in text
        assert "".join(second.split()) in text
        assert not right or "".join(third.split()) in text
