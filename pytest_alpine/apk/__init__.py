"""Alpine Package Keeper: versions, constraints, packages and the installed database."""
