"""Root filesystems: entries, path look-up, layers and how they stack, tar archives."""
