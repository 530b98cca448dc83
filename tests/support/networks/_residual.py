"""The small residual network that is written in every framework, and its units.

.. math::

    x_0 &= r(n_0(c_0(x))) \\\\
    x_1 &= r(x_0 + n_2(c_2(r(n_1(c_1(x_0)))))) \\\\
    x_2 &= r(n_5(c_5(x_1)) + n_4(c_4(r(n_3(c_3(x_1))))))

with convolutions that have biases, of 3x3 pixels but the shortcut's :math:`c_5`, strides of 2 in
:math:`c_3` and :math:`c_5`, batch norms and ReLUs; then the mean over all pixels and a dense layer.
"""

from support.networks._base import Unit, Widths
from support.networks._wiring import Wiring


SMALL = (6, 5, 8, 7)
"""Channels of x_0 and x_1, inside of the first block, of x_2, inside of the second."""


def residual_units(widths: Widths, wiring: Wiring) -> list[Unit]:
    def between(width, numbers, reads):
        writes, norms = [f"conv{i}" for i in numbers], [f"norm{i}" for i in numbers]
        return wiring.unit(width, writes=writes, norms=norms, reads=reads)

    return [
        between(widths[0], (0, 2), ["conv1", "conv3", "conv5"]),
        between(widths[1], (1,), ["conv2"]),
        between(widths[2], (4, 5), ["fc"]),
        between(widths[3], (3,), ["conv4"]),
    ]
