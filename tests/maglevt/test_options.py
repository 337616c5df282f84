"""The command line of maglevt."""

import pytest

from maglev.maglevt.measure.promises import Promises
from maglev.maglevt.options import DEFAULT_SERVER, parse
from maglev.maglevt.targets import Question
from maglev.maglevt.who import WhoByHeader
from maglev.model.config import CheckType


def test_without_anything_the_daemon_of_this_machine_says_what_to_test():
    options = parse([], {})

    assert (options.file, options.server, options.only) == (None, DEFAULT_SERVER, ())
    assert options.question == Question(0.9)
    assert (options.rate, options.seconds, options.promises) == (20.0, None, Promises())
    assert options.screen
    assert options.colour
    assert options.listen is None


def test_with_a_file_there_is_a_daemon_only_if_it_is_named():
    assert parse(["vips.yml"], {"MAGLEV_SERVER": "unix:/a"}).server is None
    assert parse(["vips.yml", "--server", "unix:/a"], {}).server == "unix:/a"
    assert parse([], {"MAGLEV_SERVER": "unix:/a"}).server == "unix:/a"


def test_everything():
    words = "f.yml --frontend a --frontend b --rate 50 --timeout 200ms --check https --path /x --host h --insecure"
    words += " --who header:X-Backend --for 1m --max-fail 0.1% --max-gap 500ms --p99 50ms --shares --json"
    words += " --listen 127.0.0.1:9095 --tls-ca a --tls-cert b --tls-key c"
    options = parse(words.split(), {"NO_COLOR": "1"})

    assert options.only == ("a", "b")
    assert options.question == Question(0.2, CheckType.HTTPS, "/x", "h", insecure=True)
    assert options.promises == Promises(pytest.approx(0.001), 0.5, 0.05, shares=True)
    assert (options.rate, options.seconds, options.json) == (50.0, 60.0, True)
    assert options.who == WhoByHeader("X-Backend")
    assert options.listen == "tcp:9095:interface=127.0.0.1"
    assert options.tls.authority == "a"
    assert not options.screen
    assert not options.colour


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--rate 0", "expected a number above 0, at most 10,000"),
        ("--rate nan", "expected a number above 0"),
        ("--rate many", "expected a number above 0"),
        ("--for 60", "60 has no unit"),
        ("--for 0s", "expected more than 0"),
        ("--max-gap=-1s", "expected more than 0"),
        ("--max-fail 0.1", "expected a percentage, such as 0.1%"),
        ("--max-fail 101%", "expected a percentage"),
        ("--max-fail x%", "expected a percentage"),
        ("--who cookie:a", "expected header:NAME, body:REGEXP or certificate"),
        ("--listen 9095", "expected HOST:PORT"),
        ("--listen=", "expected HOST:PORT"),
        ("--shares", "--shares needs --who"),
        ("--check icmp", "invalid choice"),
        ("a b", "unrecognized arguments"),
    ],
)
def test_a_mistake_is_explained_and_does_not_end_as_if_all_was_kept(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        parse(words.split(), {})

    assert end.value.code == 2
    assert message in capsys.readouterr().err
