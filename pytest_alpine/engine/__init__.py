"""Running containers: the contract of an engine, and the engines that implement it."""
