from __future__ import annotations

import pytest

from maglev.maglevc.options import DEFAULT_SERVER, parse
from maglev.rpc.tls import TlsFiles


def test_words_make_a_command():
    assert parse(["show", "backends", "|", "include", "a b"], {}).command == "show backends | include a b"
    assert parse(["show backends | json"], {}).command == "show backends | json"
    assert parse([], {}).command == ""


def test_what_follows_the_first_word_is_the_command_whatever_it_looks_like():
    assert parse(["show", "backends", "|", "include", "--server"], {}).command == "show backends | include --server"


def test_the_address_is_that_of_the_flag_or_of_the_environment_or_the_usual_one():
    assert parse([], {}).server == DEFAULT_SERVER
    assert parse([], {"MAGLEV_SERVER": ""}).server == DEFAULT_SERVER
    assert parse([], {"MAGLEV_SERVER": "unix:/a"}).server == "unix:/a"
    assert parse(["--server", "tls:b:1"], {"MAGLEV_SERVER": "unix:/a"}).server == "tls:b:1"


def test_certificates_come_from_flags_and_the_environment():
    environ = {"MAGLEV_TLS_CA": "ca", "MAGLEV_TLS_CERT": "cert", "MAGLEV_TLS_KEY": "key"}

    assert parse([], environ).tls == TlsFiles("ca", "cert", "key")
    assert parse(["--tls-cert=mine"], environ).tls == TlsFiles("ca", "mine", "key")
    assert parse(["--tls-ca=ca"], {}).tls is None


@pytest.mark.parametrize(
    ("arguments", "environ", "colour"),
    [
        ([], {}, None),
        ([], {"NO_COLOR": ""}, None),
        ([], {"NO_COLOR": "0"}, False),
        ([], {"TERM": "dumb"}, False),
        (["--color=true"], {"NO_COLOR": "1"}, True),
        (["--color=false"], {}, False),
    ],
)
def test_whether_there_are_colours(arguments, environ, colour):
    assert parse(arguments, environ).colour is colour


@pytest.mark.parametrize("arguments", [["--color=maybe"], ["--nonsense"], ["--serv", "unix:/a"], ["--server"]])
def test_a_mistake_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})

    assert ended.value.code == 2
    assert "maglevc: error" in capsys.readouterr().err


def test_the_version_needs_nothing_else(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--version"], {})

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("maglevc ")
