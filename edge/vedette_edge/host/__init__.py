"""The Raspberry Pi, systemd and the memory of this process."""
