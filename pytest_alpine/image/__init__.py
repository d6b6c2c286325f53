"""Images, read without running them: many small sources, one view."""
