"""What a reload does to the routes of announced addresses that are served now, until the first results are known.

It takes every new server to be healthy, as the dry run does: what fails takes its route with it, and no file says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.control.after_reload import decided_after, is_proven, state_after
from maglev.model.announce import Needed
from maglev.model.health import State

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from maglev.model.announce import AnnouncePolicy
    from maglev.model.config import Config, Frontend
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus


@attrs.frozen
class _Prospect:
    """What stands behind a frontend.

    Attributes:
        first: Number of servers that are in service straight after the reload.
        staying: Number of servers that left the file and serve until others do.
        then: Number of servers in service when everything that is new is up.
    """

    frontend: str
    first: int
    staying: int
    then: int


@attrs.frozen
class _Fate:
    """What becomes of the route of an address.

    Attributes:
        text: That, for a person.
        frontends: For which frontends it is so.
        withdrawn: Whether the route goes.
    """

    text: str
    frontends: Sequence[str]
    withdrawn: bool


def route_steps(board: Board, config: Config) -> Generator[None, None, dict[str, tuple[str, ...]]]:
    """Return what becomes of the routes of addresses that are served now; yield often.

    Args:
        board: The present state.
        config: The configuration that a reload would bring.

    Returns:
        Texts for people, by name of frontend; frontends with nothing to mention are left out.
    """
    fates = yield from _fates_steps(board, config)
    return {name: (fate.text,) for name, fate in fates.items()}


def withdrawn_steps(board: Board, config: Config) -> Generator[None, None, dict[str, str]]:
    """Return which routes a reload withdraws, and until when, by name of frontend; as `route_steps` does."""
    fates = yield from _fates_steps(board, config)
    return {name: f"a reload takes its route: {fate.text}" for name, fate in fates.items() if fate.withdrawn}


def _fates_steps(board: Board, config: Config) -> Generator[None, None, dict[str, _Fate]]:
    served = _served_now(board)
    of_address: dict[str, list[Frontend]] = {}
    for frontend in config.frontends.values():
        if frontend.address in served and frontend.address in config.announce.addresses:
            of_address.setdefault(frontend.address, []).append(frontend)
    now = {status.frontend.identity: status for status in board.frontends.values()}
    found: dict[str, _Fate] = {}
    for address, frontends in of_address.items():
        prospects = []
        for frontend in frontends:
            prospects.append(_prospect(board, config, frontend, now.get(frontend.identity)))
            yield
        fate = _fate(config.announce.addresses[address], prospects)
        if fate is not None:
            found |= dict.fromkeys(fate.frontends, fate)
    return found


def _served_now(board: Board) -> set[str]:
    """Return the announced addresses that serve now, as far as the board knows."""
    counts: dict[str, list[int]] = {}
    for status in board.frontends.values():
        count = sum(bool(desired.weight) for desired in status.desired.values())
        counts.setdefault(status.frontend.address, []).append(count)
    policies = board.config.announce.addresses
    return {each for each, policy in policies.items() if each in counts and _is_enough(policy, counts[each])}


def _is_enough(policy: AnnouncePolicy, counts: Sequence[int]) -> bool:
    combine = any if policy.frontends is Needed.ANY else all
    return combine(count >= policy.min_up for count in counts)


def _fate(policy: AnnouncePolicy, prospects: Sequence[_Prospect]) -> _Fate | None:
    """Return what becomes of the route of an address; None if it is untouched."""
    if _is_enough(policy, [each.first for each in prospects]):
        return None
    short = [each for each in prospects if each.first < policy.min_up]
    if _is_enough(policy, [each.first + each.staying for each in prospects]):
        text = f"{policy.address} stays announced while servers that leave serve it"
        return _Fate(text, [each.frontend for each in short if each.staying], withdrawn=False)
    text = f"{policy.address} is withdrawn"
    if _is_enough(policy, [each.then for each in prospects]):
        text += " until enough new backends are up"
    return _Fate(text, [each.frontend for each in short], withdrawn=True)


def _prospect(board: Board, config: Config, frontend: Frontend, status: FrontendStatus | None) -> _Prospect:
    backends = {name: config.backends[name] for name in frontend.backends}
    then = {name: state_after(board, config, backend) for name, backend in backends.items()}
    fresh = {
        name
        for name, backend in backends.items()
        if then[name] is State.UP and not (name in board.backends and is_proven(board, config, backend))
    }
    first = {name: State.UNKNOWN if name in fresh else state for name, state in then.items()}
    before: Mapping[str, int] = {} if status is None else board.holds.weights_by_address(status)
    weighted = {member.backend for pool in frontend.pools for member in pool.members if member.weight}
    holding = {name for name in fresh & weighted if status is not None and _keeps(status, name, config, before)}
    serving = _weighted(board, config, frontend, status, first) | holding
    listed = {backend.address for backend in backends.values()}
    leaving = [address for address, weight in before.items() if weight and address not in listed]
    staying = 0 if serving or config.vpp.removal_max_delay <= 0 else len(leaving)
    return _Prospect(frontend.name, len(serving), staying, len(_weighted(board, config, frontend, status, then)))


def _keeps(status: FrontendStatus, name: str, config: Config, before: Mapping[str, int]) -> bool:
    """Return whether a backend without a result keeps a weight in a VIP, its own or that of its address."""
    wanted = status.desired.get(name)
    return bool(before.get(config.backends[name].address, 0) if wanted is None else wanted.weight)


def _weighted(
    board: Board, config: Config, frontend: Frontend, status: FrontendStatus | None, states: Mapping[str, State]
) -> set[str]:
    decision = decided_after(board, config, frontend, status, states)
    return {name for name, desired in decision.desired.items() if desired.weight}
