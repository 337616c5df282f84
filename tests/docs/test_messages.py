"""The list of all messages for review is current, and has each kind of mistake of the console."""

from __future__ import annotations

import pytest

from maglev.commands.language import faults
from maglev.commands.language.faults import UsageError
from maglev.commands.language.parse import parse
from maglev.commands.tree import ROOT as TREE
from tests.tools.messages import GOLDEN, LINES, written


def test_the_list_of_messages_is_current():
    assert GOLDEN.read_text(encoding="utf-8") == written(), "run python -m tests.tools.messages"


def test_each_kind_of_mistake_is_in_it():
    kinds = set()
    for line in LINES:
        with pytest.raises(UsageError) as caught:
            parse(line, TREE)
        kinds.add(type(caught.value))

    known = {each for each in vars(faults).values() if isinstance(each, type) and issubclass(each, UsageError)}
    assert kinds == known
