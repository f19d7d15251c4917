"""MQTT: what the watch tells a broker, and what Home Assistant may set."""
