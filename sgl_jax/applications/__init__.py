"""Whole systems on the public API alone; nothing in the package imports them."""

__all__: list[str] = []
