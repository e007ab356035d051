"""A service of the tests' own, which does nothing but speak and listen: it shows what the kernel in `shared` promises to any service."""
