"""What runs an image: docker, podman, buildah's mount of it, or a folder. Each has a module of its own."""
