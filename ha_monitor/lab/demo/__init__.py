"""The demonstration: a real pair, a real Nagios, a real Zabbix, and a story with a report at its end."""
