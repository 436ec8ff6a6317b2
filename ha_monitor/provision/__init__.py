"""What Nagios and Zabbix must be told before they can receive facts, made from the catalogue."""
