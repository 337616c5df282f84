"""The Maglev table that VPP builds for a VIP: which application server gets which bucket of new flows.

Every application server takes part once per unit of weight; such a part is a *replica*. All replicas stand in line,
sorted by (replica number, address), and claim one free bucket each in turn until the table is full. Where a replica
looks for its next bucket is a permutation of the table, given by a hash of its address and number. So the table
depends on the addresses and weights alone, not on the order in which they came, and neighbours that know the same
addresses and weights agree on it. As soon as the sum of weights is larger than the table, the line is cut off before
everybody had a turn, and the shares are no longer proportional.

Source: VPP ``src/plugins/lb/lb.c`` (``lb_vip_update_new_flow_table``, 26.10) and ``vppinfra/xxhash.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import xxhash

from maglev.model.addresses import pack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

_HASH_SEED: Final = 0x9E3779B97F4A7C13
"""The seed of the single word xxh64 of ``vppinfra/xxhash.h``."""

_WORD: Final = 0xFFFFFFFF
_FREE: Final = -1

_CLAIMS_AT_ONCE: Final = 2000
"""Claims that take a millisecond or so."""


def flow_table(servers: Mapping[str, int], length: int) -> list[str | None]:
    """Return the owner of every bucket.

    Args:
        servers: Weight (0..255) by canonical address.
        length: Number of buckets, a power of two.

    Returns:
        ``length`` addresses; all None when no server has any weight (VPP then drops new flows).

    Raises:
        ValueError: The length is not a power of two.
    """
    addresses = list(servers)
    owners = owner_indexes([(stored(address), weight) for address, weight in servers.items()], length)
    return [None if owner == _FREE else addresses[owner] for owner in owners]


def bucket_counts(servers: Mapping[str, int], length: int) -> dict[str, int]:
    """Return how many buckets each server owns, by address; the arguments are those of `flow_table`."""
    counts = dict.fromkeys(servers, 0)
    for owner in flow_table(servers, length):
        if owner is not None:
            counts[owner] += 1
    return counts


def disturbed(before: Mapping[str, int], after: Mapping[str, int], length: int) -> float:
    """Return what a change of weights does to the servers that stay: the share of their buckets that they lose, 0..1.

    Args:
        before: Weight (0..255) by canonical address.
        after: The same after the change; a server that has weight in both stays.
        length: Number of buckets, a power of two.
    """
    staying = {address for address, weight in before.items() if weight and after.get(address)}
    pairs = [(a, b) for a, b in zip(flow_table(before, length), flow_table(after, length), strict=True) if a in staying]
    return sum(a != b for a, b in pairs) / max(len(pairs), 1)


def stored(address: str) -> bytes:
    """Return the 16 bytes as which VPP keeps an address: IPv4 in the last four, the others zero."""
    return pack(address).rjust(16, b"\0")


def owner_indexes(servers: Iterable[tuple[bytes, int]], length: int) -> list[int]:
    """Return the owner of every bucket as an index into ``servers``, or -1 everywhere when nobody has weight.

    Args:
        servers: Pairs of 16 address bytes (see `stored`) and weight.
        length: Number of buckets, a power of two.

    Raises:
        ValueError: The length is not a power of two.
    """
    steps = owner_steps(servers, length)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            owners: list[int] = end.value
            return owners


def owner_steps(servers: Iterable[tuple[bytes, int]], length: int) -> Generator[None, None, list[int]]:
    """Do what `owner_indexes` does; yield after each millisecond or so of work, so that others can have a turn."""
    if length < 1 or length & (length - 1):
        message = f"a flow table can't have {length} buckets: not a power of two"
        raise ValueError(message)
    line = yield from _line(list(servers), length)
    owners = [_FREE] * length
    if line:
        yield from _claim(line, owners)
    return owners


def _line(servers: list[tuple[bytes, int]], length: int) -> Generator[None, None, list[list[int]]]:
    """Return the replicas in the order of their turns, as lists of owner, position and step."""
    by_address = sorted(range(len(servers)), key=lambda index: servers[index][0])
    highest = max((weight for _, weight in servers), default=0)
    line: list[list[int]] = []
    for replica in range(highest):
        if len(line) >= length:
            break  # The table is full before any of the rest has its first turn.
        line += [
            [index, *_walk(servers[index][0], replica, length - 1)]
            for index in by_address
            if servers[index][1] > replica
        ]
        yield
    return line


def _walk(address: bytes, replica: int, mask: int) -> tuple[int, int]:
    """Return where a replica starts in the table and how far it steps; an odd step meets every bucket."""
    folded = int.from_bytes(address[:8], "little") ^ int.from_bytes(address[8:], "little") ^ replica
    seed = xxhash.xxh64_intdigest(folded.to_bytes(8, "little"), _HASH_SEED)
    return (seed >> 32) & mask, ((seed & _WORD) | 1) & mask


def _claim(line: list[list[int]], owners: list[int]) -> Generator[None, None, None]:
    """Let the replicas claim one free bucket each in turn until every bucket has an owner."""
    mask = len(owners) - 1
    left = len(owners)
    while True:
        for start in range(0, len(line), _CLAIMS_AT_ONCE):
            for turn in line[start : start + _CLAIMS_AT_ONCE]:
                index, position, step = turn
                while owners[position] != _FREE:
                    position = (position + step) & mask
                owners[position] = index
                turn[1] = (position + step) & mask
                left -= 1
                if not left:
                    return
            yield
