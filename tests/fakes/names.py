"""Configurations with DNS names, and nameservers for tests."""

from __future__ import annotations

import struct

import attrs
import dns.flags
import dns.message
import dns.rrset

from maglev.model.names import NamedBackends, ResolverConfig
from tests.fakes.configs import make_config, make_frontend


def named_config(names=("www",), most=4, missing=3, vip="192.0.2.1", dns_name=None, family=4, **resolver):
    """Make a configuration as loaded: one frontend, with a backend ``a`` and these names."""
    frontend = make_frontend(address=vip, pools=(("a", *names),))
    config = make_config([frontend])
    found = {name: NamedBackends(name, dns_name or f"{name}.example.org", family, most, "tcp") for name in names}
    frontends = {"web": attrs.evolve(frontend, named_family=family, unresolved=tuple(names)) if names else frontend}
    backends = {name: each for name, each in config.backends.items() if name not in names}
    resolver = ResolverConfig(missing_answers=missing, **resolver)
    return attrs.evolve(config, names=found, frontends=frontends, backends=backends, resolver=resolver)


def answer_to(message, *addresses, ttl=60, rcode=0, owner=None, kind=None, flags=0):
    """Return the wire form of an answer to a question, with these addresses."""
    query = dns.message.from_wire(message)
    answer = dns.message.make_response(query)
    answer.set_rcode(rcode)
    answer.flags |= flags
    question = query.question[0]
    if addresses:
        kind = kind or ("AAAA" if ":" in addresses[0] else "A")
        answer.answer.append(dns.rrset.from_text(owner or question.name, ttl, "IN", kind, *addresses))
    return answer.to_wire(max_size=65535)


def header(message):
    """Return the fields of the header of a message."""
    return struct.unpack_from("!HHHHHH", message)
