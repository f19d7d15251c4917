"""A fleet at a glance: one page that shows all devices of an MQTT broker, and only listens."""
