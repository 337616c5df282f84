from __future__ import annotations

from maglev.maglevc.pages import Pages


def lines(count, start=0):
    return "".join(f"line {number}\n" for number in range(start, start + count))


def shown(pages, columns=80):
    return [int(line.split()[1]) for line in pages.lines(columns)]


def begun(length, text):
    pages = Pages()
    pages.begin(length)
    pages.take(text)
    return pages


def test_what_fits_is_not_held_back():
    pages = begun(10, lines(9))

    assert shown(pages) == list(range(9))
    assert not pages.waiting


def test_the_last_row_is_for_the_prompt():
    pages = begun(5, lines(20))

    assert shown(pages) == [0, 1, 2, 3]
    assert pages.waiting


def test_space_shows_a_page_and_return_a_line():
    pages = begun(5, lines(20))
    shown(pages)
    assert pages.press(" ")
    assert shown(pages) == [4, 5, 6, 7]
    assert pages.press("c-m")
    assert shown(pages) == [8]


def test_a_shows_all_also_of_what_comes_later():
    pages = begun(5, lines(20))
    shown(pages)
    assert pages.press("a")
    assert shown(pages) == list(range(4, 20))
    pages.take(lines(100, 20))
    assert shown(pages) == list(range(20, 120))


def test_q_and_ctrl_c_end_it():
    for key in ("q", "c-c", "c-d"):
        pages = begun(5, lines(20))
        shown(pages)
        assert not pages.press(key)
        assert not pages.waiting


def test_length_nought_holds_nothing_back():
    assert len(shown(begun(0, lines(1000)))) == 1000


def test_a_long_line_takes_the_rows_that_it_takes():
    pages = begun(5, "x" * 250 + "\n" + lines(5))

    assert len(pages.lines(100)) == 2  # three rows and one


def test_colours_take_no_room():
    pages = begun(5, "\x1b[32m" + "x" * 78 + "\x1b[0m\n" + lines(5))

    assert len(pages.lines(80)) == 4


def test_the_room_of_a_page_is_for_all_that_a_command_writes():
    pages = begun(5, lines(3))
    assert shown(pages) == [0, 1, 2]
    pages.take(lines(3, 3))
    assert shown(pages) == [3]


def test_another_command_begins_anew():
    pages = begun(5, lines(20))
    shown(pages)
    pages.begin(5)
    pages.take(lines(2))

    assert shown(pages) == [0, 1]


def test_no_width_is_no_reason_to_fail():
    assert len(begun(5, lines(3)).lines(0)) >= 1
