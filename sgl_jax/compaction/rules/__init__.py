"""The rules of primitives."""
