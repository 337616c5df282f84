"""The numbers of addresses: stable, bounded, and lowered by nothing but good answers."""

from hypothesis import given
from hypothesis import strategies as st

from maglev.model.names import NamedBackends, ResolverConfig
from maglev.resolver.book import MOST_REFUSED, NameBook
from maglev.resolver.record import Remembered
from tests.fakes.names import named_config

GOOD = [f"10.1.0.{number}" for number in range(1, 13)]


def book_of(most=4, missing=3, **changes):
    return NameBook(named_config(most=most, missing=missing, **changes))


def numbers(book, name="www"):
    return book.entries[name].numbers


def test_addresses_get_numbers_in_their_order():
    book = book_of()
    outcome = book.answered("www", ["10.1.0.10", "10.1.0.9", "10.1.0.9"])

    assert numbers(book) == {1: "10.1.0.9", 2: "10.1.0.10"}
    assert outcome.added == ("www-1 10.1.0.9", "www-2 10.1.0.10")


def test_an_address_keeps_its_number_while_it_stays():
    book = book_of(missing=1)
    book.answered("www", GOOD[4:6])
    outcome = book.answered("www", [GOOD[0], GOOD[5]])

    assert numbers(book) == {2: GOOD[5], 3: GOOD[0]}
    assert (outcome.added, outcome.left) == (("www-3 10.1.0.1",), ("www-1 10.1.0.5",))
    book.answered("www", [GOOD[0], GOOD[5], GOOD[7]])
    assert numbers(book) == {2: GOOD[5], 3: GOOD[0], 1: GOOD[7]}


def test_no_number_goes_to_another_address_in_one_step():
    book = book_of(most=2, missing=1)
    book.answered("www", GOOD[:2])
    book.answered("www", GOOD[2:4])

    assert numbers(book) == {3: GOOD[2], 4: GOOD[3]}


def test_what_is_missing_leaves_after_so_many_answers_in_a_row():
    book = book_of(missing=3)
    book.answered("www", GOOD[:2])
    for _ in range(2):
        assert book.answered("www", GOOD[1:2]).left == ()
    book.answered("www", GOOD[:2])
    assert book.entries["www"].missing == {}
    for _ in range(2):
        assert book.answered("www", GOOD[1:2]).left == ()
    assert book.answered("www", GOOD[1:2]).left == ("www-1 10.1.0.1",)
    assert numbers(book) == {2: GOOD[1]}


def test_what_operators_have_ordered_out_stays():
    book = book_of(missing=1)
    book.answered("www", GOOD[:2])
    book.answered("www", GOOD[2:3], {"www-1"})

    assert numbers(book) == {1: GOOD[0], 3: GOOD[2]}
    assert book.entries["www"].missing == {GOOD[0]: 1}
    book.answered("www", GOOD[2:3])
    assert numbers(book) == {3: GOOD[2]}


def test_an_answer_of_which_nothing_can_be_used_changes_nothing():
    book = book_of(missing=1)
    book.answered("www", GOOD[:2])
    outcome = book.answered("www", ["127.0.0.1", "::1"])

    assert not outcome.usable
    assert numbers(book) == {1: GOOD[0], 2: GOOD[1]}
    assert book_of().answered("www", []).usable is False


def test_what_is_listed_of_a_hostile_answer_is_bounded():
    book = book_of()
    many = [f"10.1.{high}.{low}" for high in range(4) for low in range(1, 200)]
    outcome = book.answered("www", [*many, *(f"127.0.0.{low}" for low in range(1, 200))])

    assert len(numbers(book)) == 4
    assert (len(outcome.refused), len(outcome.waiting)) == (MOST_REFUSED, MOST_REFUSED)


def test_two_names_of_a_frontend_have_no_address_in_common():
    book = book_of(names=("www", "api"))
    book.answered("www", GOOD[:2])
    outcome = book.answered("api", GOOD[1:3])

    assert numbers(book, "api") == {1: GOOD[2]}
    assert outcome.refused == ("10.1.0.2 is an address of www, of the same frontend",)


def test_what_is_remembered_holds_if_it_is_for_the_same_name():
    config = named_config()
    good = Remembered("www", "www.example.org", 4, 1.0, {2: GOOD[0], 5: "192.0.2.1"})

    assert numbers(NameBook(config, [good])) == {2: GOOD[0]}
    for other in (
        Remembered("www", "old.example.org", 4, 1.0, {2: GOOD[0]}),
        Remembered("www", "www.example.org", 6, 1.0, {2: "2001:db8::1"}),
        Remembered("gone", "www.example.org", 4, 1.0, {2: GOOD[0]}),
    ):
        assert numbers(NameBook(config, [other])) is None


def test_another_configuration_keeps_what_it_allows():
    book = book_of()
    book.answered("www", GOOD[:4])
    fewer = named_config(most=2)
    assert book.numbers(fewer) == {"www": {1: GOOD[0], 2: GOOD[1]}}
    assert len(numbers(book)) == 4

    taken = named_config(most=4, vip=GOOD[1])
    book.configure(taken)
    assert numbers(book) == {1: GOOD[0], 3: GOOD[2], 4: GOOD[3]}
    book.configure(named_config(dns_name="other.example.org"))
    assert numbers(book) is None
    book.configure(named_config(names=()))
    assert book.numbers() == {}


def test_the_names_of_another_configuration_may_be_new():
    book = book_of()
    assert book.numbers(named_config(names=("www", "api"))) == {}


@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.lists(st.none() | st.lists(st.sampled_from([*GOOD, "127.0.0.1", "192.0.2.1"]), max_size=8), max_size=30),
    st.sets(st.integers(1, 4)),
)
def test_no_sequence_lowers_what_good_answers_have(most, bound, answers, pinned):
    """Bounded, stable, and nothing leaves without so many good answers in a row that omit it."""
    book = book_of(most=most, missing=bound)
    pins = {f"www-{number}" for number in pinned}
    omitted = dict.fromkeys(GOOD, 0)
    for answer in answers:
        before = dict(numbers(book) or {})
        usable = [] if answer is None else [each for each in answer if each in GOOD]
        if answer is not None:
            book.answered("www", answer, pins)
        after = dict(numbers(book) or {})
        if not usable:
            assert after == before
            continue
        for address in GOOD:
            omitted[address] = 0 if address in usable else omitted[address] + 1
        assert len(after) <= most
        assert len(set(after.values())) == len(after)
        assert set(after) <= set(range(1, 2 * most + 1))
        for number, address in before.items():
            if number in after:
                assert after[number] == address
            else:
                assert omitted[address] >= bound
                assert number not in pinned
        for number, address in after.items():
            assert number in before or address in usable
        assert set(after.values()) <= set(GOOD)


def test_the_values_are_what_the_file_says():
    assert named_config().names == {"www": NamedBackends("www", "www.example.org", 4, 4, "tcp")}
    assert named_config().resolver == ResolverConfig(missing_answers=3)
