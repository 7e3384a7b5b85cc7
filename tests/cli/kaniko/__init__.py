"""minibuild in the place of kaniko."""
