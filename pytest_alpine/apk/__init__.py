"""apk's world: versions, dependencies, packages, and the database that records them."""
