"""apk: versions, constraints, packages, and the database that records installed packages."""
