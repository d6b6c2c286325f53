"""Whether what an image holds can be started."""
