"""The host: the Raspberry Pi, systemd and this process's memory."""
