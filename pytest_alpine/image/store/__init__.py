"""The local store: no part of an image is fetched twice."""
