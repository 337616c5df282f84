"""The moments at which frontends are due: the earliest is always that of them all, however they come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maglev.state.dues import Dues

moments = st.one_of(st.none(), st.integers(0, 9).map(float))
steps = st.one_of(st.tuples(st.sampled_from("abcd"), moments), st.sets(st.sampled_from("abcd")))


@given(st.lists(steps), st.booleans())
def test_the_earliest_is_that_of_all(some_steps, often):
    dues, expected = Dues(), {}
    for step in some_steps:
        if isinstance(step, tuple):
            name, due = step
            dues.set(name, due)
            expected.pop(name, None)
            expected |= {} if due is None else {name: due}
        else:
            dues.keep(step)
            expected = {name: due for name, due in expected.items() if name in step}
        if often:
            assert dues.earliest == min(expected.values(), default=None)
    assert dues.earliest == min(expected.values(), default=None)
    assert dues.until(5.0) == [name for name, due in expected.items() if due <= 5.0]


def test_the_earliest_is_looked_for_only_when_it_has_gone():
    dues = Dues()
    for number in range(100):
        dues.set(f"f{number}", 100.0 + number)
    assert dues.earliest == 100.0
    dues._dues = None  # nothing looks at all of them
    assert dues.earliest == 100.0
