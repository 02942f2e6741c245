"""Which network the workers of a Ray Train run meet on: that of their Ray nodes.

Left to itself Gloo takes the address that the machine's own name stands for. On many that is 127.0.0.1 or 127.0.1.1
(`/etc/hosts`), where no other machine's worker is found.
"""

import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend  # private: pinned by ray's range; the public one only names it
from ray.util import get_node_ip_address

VARIABLE = "GLOO_SOCKET_IFNAME"
SIOCGIFADDR = 0x8915
"""Linux: the IPv4 address of an interface."""


class _OnNodes(_TorchBackend):  # type: ignore[misc] # Ray's own is untyped
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Before the workers look for each other."""
        worker_group.execute(name_interface)
        super().on_start(worker_group, backend_config)


@dataclass
class NodesTorchConfig(TorchConfig):  # type: ignore[misc] # the same
    """As `TorchConfig`; the workers meet at the addresses of their Ray nodes."""

    @property
    def backend_cls(self) -> type[_OnNodes]:
        """What Ray Train starts."""
        return _OnNodes


def name_interface() -> None:
    """Tell Gloo, in a worker, the interface that has its node's address; what a person has named stays."""
    if VARIABLE not in os.environ and (name := interface_of(get_node_ip_address())) is not None:
        os.environ[VARIABLE] = name


def interface_of(address: str) -> str | None:
    """The network interface that has an IPv4 address; None where none has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # one without an address
                continue
            if socket.inet_ntoa(found[20:24]) == address:
                return name
    return None
