"""MQTT: messages of the watch to a broker, and settings from Home Assistant."""
