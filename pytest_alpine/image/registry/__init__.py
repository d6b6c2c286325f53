"""``registry:NAME``: images as registries publish them."""
