"""The address of the page."""

import pytest

from maglev.model.errors import StartError
from maglev.web.address import web_address


@pytest.mark.parametrize(
    ("address", "names", "url", "hosts"),
    [
        ("127.0.0.1:9092", "", "http://127.0.0.1:9092", ()),
        (":9092", "", "http://localhost:9092", ()),
        ("[::]:9092", "", "http://localhost:9092", ()),
        ("[2001:db8::1]:80", "", "http://[2001:db8::1]:80", ()),
        ("unix:/run/web.sock", "", "http://localhost", ()),
        ("0.0.0.0:9092", "LB1.example.net, lb1", "http://lb1.example.net:9092", ("lb1.example.net", "lb1")),
        ("127.0.0.1:9092", "https://lb1.example.net/", "https://lb1.example.net", ("lb1.example.net",)),
        ("127.0.0.1:9092", "https://lb1:8443,lb2", "https://lb1:8443", ("lb1", "lb2")),
        ("127.0.0.1:9092", "http://[2001:db8::5]", "http://[2001:db8::5]", ("2001:db8::5",)),
    ],
)
def test_an_address_has_a_url_and_names(address, names, url, hosts):
    found = web_address(address, names)
    assert (found.url, found.names, found.is_socket) == (url, hosts, address.startswith("unix:"))


def test_an_empty_address_is_off():
    assert web_address("", "lb1") is None


@pytest.mark.parametrize(
    "name", ["a b", "ftp://lb1", "https://", "https://lb1/x", "lb1:80", "https://u@lb1", "https://[x"]
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(StartError, match="--web-name: invalid name"):
        web_address("127.0.0.1:9092", name)
