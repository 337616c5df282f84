"""The counters of the checker."""

import pytest

from maglev.healthcheck.counters import BUCKETS, ProbeCounters, possible_codes
from maglev.model.check_params import DnsParams, GrpcParams, Preset, TalkParams, UdpParams, VipPath
from maglev.model.config import CheckType, HttpParams, TlsParams
from maglev.model.result import Code, Result
from tests.fakes.configs import make_check


def test_every_possible_code_is_there_before_it_first_counts():
    for healthcheck in (None, make_check()):
        assert dict(ProbeCounters(healthcheck).codes()) == dict.fromkeys(possible_codes(healthcheck), 0)


def test_each_kind_has_codes_of_its_own():
    udp = make_check(type=CheckType.UDP, udp=UdpParams())
    assert possible_codes(udp) == (Code.L4OK, Code.L7OK, Code.L7TOUT, Code.L7RSP, Code.L4CON)
    answers = (Code.L7OK, Code.L7TOUT, Code.L7RSP, Code.L7STS)
    for tcp in (False, True):
        connect = (Code.L4TOUT, Code.L4CON) if tcp else (Code.L4CON,)
        assert possible_codes(make_check(type=CheckType.DNS, dns=DnsParams("a", tcp=tcp))) == (*connect, *answers)
    assert possible_codes(make_check(talk=TalkParams(preset=Preset.SMTP))) == (Code.L4TOUT, Code.L4CON, *answers)
    rpc = make_check(type=CheckType.GRPC, grpc=GrpcParams(), tls=TlsParams())
    assert possible_codes(rpc) == (Code.L4TOUT, Code.L4CON, Code.L6TOUT, Code.L6RSP, *answers)


def test_by_way_of_a_vip_more_can_be_said():
    path = VipPath("192.0.2.1", "192.0.2.254", "2001:db8::fe", "maglev", 19783)
    assert possible_codes(make_check(path=path)) == (Code.L4TOUT, Code.L4CON, Code.L4OK, Code.L4VIP, Code.L4GRE)


@pytest.mark.parametrize("drains", [False, True])
def test_the_conditional_pass_is_counted_where_it_is_possible(drains):
    check = make_check(type=CheckType.HTTP, http=HttpParams(disable_on_404=drains))
    assert (Code.L7OKC in possible_codes(check)) is drains


def test_backends_that_are_probed_alike_are_counted_apart():
    one, other = ProbeCounters(make_check()), ProbeCounters(make_check("other"))
    one.count(Result(Code.L4OK))
    assert (dict(one.codes())[Code.L4OK], dict(other.codes())[Code.L4OK]) == (1, 0)


def test_a_code_that_nobody_thought_possible_is_counted_too():
    tally = ProbeCounters(make_check())
    for _ in range(2):
        tally.count(Result(Code.L7STS))
    tally.count(Result(Code.L4OK))
    assert dict(tally.codes()) == {Code.L4TOUT: 0, Code.L4CON: 0, Code.L4OK: 1, Code.L7STS: 2}
    assert Code.L7STS not in dict(ProbeCounters(make_check()).codes())


def test_durations_are_counted_by_bucket_and_summed():
    tally = ProbeCounters(make_check())
    for duration in (BUCKETS[0], BUCKETS[1], 100.0):
        tally.count(Result(Code.L4OK, duration=duration))
    assert (tally.counts[0], tally.counts[1], tally.counts[-1], sum(tally.counts)) == (1, 1, 1, 3)
    assert tally.total == BUCKETS[0] + BUCKETS[1] + 100.0
