"""What changed between two images."""
