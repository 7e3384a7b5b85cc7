"""minibuild against Docker: the cases, the context they share, the builds, and images as plain values to compare."""
