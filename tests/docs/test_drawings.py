"""The pictures are those that the program makes of its tables now; and what they name is there."""

import re
import xml.etree.ElementTree as ET

import pytest

from maglev.model.health import TRANSITIONS, Lifecycle, State
from tests.docs.blocks import PAGES
from tests.tools import draw_failover, draw_health, draw_house, draw_warmup
from tests.tools.drawings import DRAWINGS, FOLDER
from tests.tools.svg import STYLE, Drawing

HINT = "python -m tests.tools.drawings redraws the pictures"


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_what_the_program_makes_now(name):
    assert (FOLDER / name).read_text(encoding="utf-8") == DRAWINGS[name](), HINT


def test_every_picture_is_on_a_page_and_every_file_is_made():
    shown = {name for page in PAGES.values() for name in re.findall(r"drawings/([a-z]+\.svg)", page.read_text())}

    assert shown == DRAWINGS.keys() == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_xml_and_says_in_words_what_it_shows(name):
    root = ET.fromstring(DRAWINGS[name]())

    told = [root.find(f"{{http://www.w3.org/2000/svg}}{part}").text for part in ("title", "desc")]
    assert all(told)
    assert all(
        f"{{http://www.w3.org/2000/svg}}{tag}" not in {each.tag for each in root.iter()} for tag in ("image", "a")
    )


def test_every_colour_has_one_for_dark_screens():
    light, dark = STYLE.split("@media (prefers-color-scheme:dark)")
    painted = re.compile(r"(\w+)\{[^}]*(?:fill|stroke):#")

    assert set(painted.findall(light)) == set(painted.findall(dark))


def test_a_move_that_is_new_is_noticed(monkeypatch):
    monkeypatch.setitem(TRANSITIONS, Lifecycle.RESUME, {State.PAUSED: State.UP})

    with pytest.raises(AssertionError):
        draw_health.draw_states()


def test_the_story_has_every_write_and_never_a_moment_without_weight():
    story = list(draw_failover.moments())

    assert [half for _, half, *_ in story].count("when that is acknowledged") == 2
    assert all(any(weights.values()) for *_, weights, _ in story)
    assert [texts for *_, texts in story if texts][1] == (("www3: 0 to 100", ""),)


def test_the_warm_up_releases_each_when_it_is_known_and_all_in_the_end():
    assert draw_warmup.releases() == {"www": draw_warmup.SOON, "mail": 14.0, "dns": draw_warmup.LATE}


def test_the_path_of_a_fact_names_files_and_folders_that_exist():
    files = [file for *_, text, _ in draw_house.FACT for file in draw_house.files_of(text)]
    files += [file for *_, text in draw_house.BESIDE for file in draw_house.files_of(text)]

    assert len(files) >= 17
    assert [str(file) for file in files if not file.exists()] == []


def test_words_that_would_not_fit_are_noticed():
    drawing = Drawing(100, 50, "small", "small")

    with pytest.raises(AssertionError, match="does not fit"):
        drawing.box(0, 0, 60, 40, ["much too long for it"])
    with pytest.raises(AssertionError, match="too far right"):
        drawing.words(80, 20, "much too long")
