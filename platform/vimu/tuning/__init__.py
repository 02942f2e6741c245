"""Studies: which settings or sensors are worth it, on people kept apart."""
