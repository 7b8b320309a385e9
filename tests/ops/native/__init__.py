"""The native kernels: a package, as its fixtures and its helpers are for these tests alone."""
