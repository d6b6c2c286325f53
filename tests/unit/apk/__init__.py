"""Tests of what the package reads of apk."""
