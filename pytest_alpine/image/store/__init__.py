"""The local store: what was read of an image once is never read again."""
