"""Plans as tests look at them."""

from maglev.vpp.lb.state import DeleteVip


def operations_of(plan):
    """Return all operations of a plan, in order."""
    making = [operation for address in plan.values() for operation in address.making]
    return (*making, *(DeleteVip(key) for address in plan.values() for key in address.removing))
