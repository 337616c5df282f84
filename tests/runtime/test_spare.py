"""Descriptors in reserve."""

from __future__ import annotations

import errno
import gc
import os

from maglev.runtime.spare import SpareDescriptors
from tests.fakes.descriptors import leaked_since, open_descriptors


def test_they_are_kept_given_up_one_by_one_and_kept_again():
    before = open_descriptors()
    spare = SpareDescriptors(3)
    assert leaked_since(before) == set()
    for _ in range(2):
        spare.refill()
        assert (len(spare), len(leaked_since(before))) == (3, 3)
    for left in (2, 1, 0, 0):
        spare.give_up_one()
        assert (len(spare), len(leaked_since(before))) == (left, left)
    spare.refill()
    del spare
    gc.collect()
    assert leaked_since(before) == set()


def test_as_many_are_kept_as_there_are():
    left = [os.open(os.devnull, os.O_RDONLY)]

    def open_one():
        if not left:
            raise OSError(errno.EMFILE, "Too many open files")
        return left.pop()

    spare = SpareDescriptors(3, open_one)
    spare.refill()
    assert len(spare) == 1
    spare.refill()
    assert len(spare) == 1
