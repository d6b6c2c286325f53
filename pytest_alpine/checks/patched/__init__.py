"""Alpine's security data, and installed versions held against it."""
