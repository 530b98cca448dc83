"""The searches behind proximal operators that have no closed form: joint, scalar, in a metric."""

__all__: list[str] = []
