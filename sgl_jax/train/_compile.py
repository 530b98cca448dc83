"""``jax.jit`` with the options that suit training steps on the device at hand."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import jax

from sgl_jax._util.compilation import NO_YNNPACK, option_sets


__all__ = ["compiled"]


def compiled(
    function: Callable[..., Any], options: str = NO_YNNPACK, **arguments: Any
) -> Callable[..., Any]:
    """Compiles a function like ``jax.jit``, with the XLA options that suit training steps.

    On a CPU convolutions and matrix products go to Eigen, not to YNNPACK, which is slower on the
    shapes of a training step; elsewhere it is ``jax.jit``. Values may differ from those of
    ``jax.jit`` in rounding. A jaxlib without such an option gets none.
    The result has a ``lower`` like that of ``jax.jit``.

    Args:
      function: the function to compile.
      options: name of the options; :attr:`Network.options` are those of a network.
      **arguments: the arguments of ``jax.jit``, such as ``donate_argnums``.

    Returns:
      The function, which is compiled at its first call.
    """

    @cache
    def build() -> Callable[..., Any]:
        return jax.jit(function, compiler_options=option_sets().get(options), **arguments)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return build()(*args, **kwargs)

    call.lower = lambda *args, **kwargs: build().lower(*args, **kwargs)  # pyrefly: ignore
    return call
