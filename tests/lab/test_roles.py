"""Which processes are ha-monitor's."""

import pytest

from ha_monitor.lab.roles import role_of


@pytest.mark.parametrize(
    ("argv", "role"),
    [
        (("/usr/bin/python3", "/opt/v/bin/ha-monitor", "run"), "guard"),
        (("/usr/bin/python3", "/opt/v/bin/ha-monitor", "witness"), "guard"),
        (("/usr/bin/python3", "/opt/v/bin/ha-monitor", "status", "--json"), None),
        (("/usr/bin/python3", "-S", "-P", "-m", "ha_monitor.runtime.core_process"), "core"),
        (("/usr/bin/python3", "-P", "-m", "ha_monitor.runtime.worker"), "worker"),
        (("ha-monitor: publisher",), "publisher"),
        (("ha-monitor: something else",), None),
        (("/usr/bin/python3", "-m", "ha_monitor.lab.observers.responder", "pub2"), None),
        (("nginx: master process",), None),
        (("core",), None),
    ],
)
def test_the_role_is_read_from_the_command_line(argv, role):
    assert role_of(argv) == role
