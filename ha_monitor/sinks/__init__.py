"""Where facts go: one file for each way into Nagios and Zabbix, and the outbox's disk."""
