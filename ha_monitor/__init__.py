"""ha-monitor: a small failover daemon whose user interface is Nagios and Zabbix."""

__version__ = "0.1.0"
