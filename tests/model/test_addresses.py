"""What is an IP address."""

import pytest

from maglev.model.addresses import canonical, is_address, without_port


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "2001:DB8:0::1", "::ffff:192.0.2.1"])
def test_an_address_is_one_in_any_spelling(text):
    assert is_address(text)
    assert is_address(canonical(text))


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.example:8443", "a.example"), ("a.example", "a.example"), ("[2001:db8::1]:80", "2001:db8::1"), ("::1", "::1")],
)
def test_a_name_is_read_without_the_port_after_it(host, name):
    assert without_port(host) == name


@pytest.mark.parametrize(
    "text", ["", "web.example", "192.0.2", "192.0.2.01", "192.0.2.1/32", "fe80::1%lo", "a:b", "1\0", "ä"]
)
def test_nothing_else_is(text):
    assert not is_address(text)
    with pytest.raises(ValueError, match="is not an IP address"):
        canonical(text)
