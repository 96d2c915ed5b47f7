"""Home Assistant, where the owner wants it: entities by MQTT discovery, events, and a switch."""
