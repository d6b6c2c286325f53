"""Property tests: random values against laws, and against real apk."""
