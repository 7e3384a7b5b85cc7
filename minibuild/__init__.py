"""minibuild builds container images from Dockerfiles with no daemon."""
