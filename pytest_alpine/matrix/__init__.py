"""Which image on which platform."""
