"""What the core's loop asks of the kernel, and in which order."""

from ha_monitor.config import parse_config
from ha_monitor.lab.daemons import config_text
from ha_monitor.runtime.kernel_io import ServiceKernel


class RecordingNet:
    """Stands for the kernel's side: remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def learn_node_macs(self, addresses) -> None:
        self.asked.append("learn " + " ".join(str(address) for address in addresses))

    def probe(self, addresses, at_ns) -> None:
        self.asked.append("probe " + " ".join(str(address) for address in addresses))


def test_macs_of_peers_are_learnt_before_a_probe_takes_one_for_a_stranger():
    config, net = parse_config(config_text().encode()), RecordingNet()
    kernel = ServiceKernel(config, config.nodes[0], net, clock=lambda: 0)
    assert kernel.probe([config.groups[0].addresses[0].name], at_ns=0) == []
    assert net.asked == ["learn 192.0.2.13 198.51.100.13", "probe 192.0.2.100"]
