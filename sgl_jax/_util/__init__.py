"""Equipment that knows nothing of sparsity: types, pytrees, arithmetic, files, provenance."""

__all__: list[str] = []
