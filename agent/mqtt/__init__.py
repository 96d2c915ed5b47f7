"""MQTT: topics, one connection to a broker, and the link that keeps it up."""
