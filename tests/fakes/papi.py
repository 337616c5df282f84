"""Reads what a VPP holds with VPP's own Python client, not with our code."""

from __future__ import annotations

import time

from vpp_papi import VPPApiClient


def connect(api_socket, name):
    """Return a client of `vpp_papi`'s, connected."""
    client = VPPApiClient(bootstrapapi=True, server_address=api_socket, read_timeout=60)
    try:
        client.connect(name)
    except BaseException:
        disconnect(client)  # it leaves its socket open otherwise
        raise
    return client


def disconnect(client):
    """End the connection of a client, and the pipes that it would leave to the garbage collector."""
    client.disconnect()
    for pipe in (client.transport.sque, client.transport.q):
        pipe.close()
        pipe.join_thread()


class PapiReader:
    """A blocking client of one API socket; a context manager."""

    def __init__(self, api_socket: str) -> None:
        self._client = connect(api_socket, "reader")

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self.close()

    def close(self):
        """End the connection, also to a VPP that is dead."""
        disconnect(self._client)

    def vips(self):
        """Return {(prefix, protocol, port): (encapsulation, {address: weight})} of what is in use."""
        api = self._client.api
        found = {_key(row): (int(row.encap), {}) for row in api.lb_vip_dump()}
        for row in api.lb_as_v2_dump():
            if row.flags & 1 and _key(row) in found:
                found[_key(row)][1][str(row.app_srv)] = row.weight
        return found

    def weights(self):
        """Return {(prefix, protocol, port): {address: weight}}."""
        return {key: weights for key, (_, weights) in self.vips().items()}

    def conf(self):
        """Return the global settings."""
        row = self._client.api.lb_conf_get()
        return (str(row.ip4_src_address), str(row.ip6_src_address), row.sticky_buckets_per_core, row.flow_timeout)

    def wait_for(self, expected, seconds=60.0):
        """Wait until the weights are as expected; return how long that took."""
        start = time.monotonic()
        while (weights := self.weights()) != expected:
            assert time.monotonic() - start < seconds, f"after {seconds} s VPP holds {weights}, not {expected}"
            time.sleep(0.01)
        return time.monotonic() - start

    def cli(self, command):
        """Run a command of VPP's command line and return its output."""
        return self._client.api.cli_inband(cmd=command).reply


def _key(row):
    return (str(row.vip.pfx), int(row.vip.protocol), row.vip.port)
