"""The rules of hygiene, one module each, and what several of them share."""
