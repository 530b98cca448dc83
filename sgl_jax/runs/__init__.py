"""Training runs: from words to objects (``config``, ``builders``) to a folder that can go on."""

__all__: list[str] = []
