"""Two convolutions with a constant channel between them, which goes or stays."""

import jax
import jax.numpy as jnp
import numpy as np

import sgl_jax as sgl


LAYOUT = "NHWC", "HWIO", "NHWC"
X = jax.random.normal(jax.random.key(1), (2, 6, 6, 2))


def conv(x, kernel, padding="VALID", **options):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=LAYOUT, **options
    )


def per_channel(leaf):
    return leaf.reshape(1, 1, 1, -1)


def drawn(size=3, reads=4, **more):
    """Two convolutions; of the four channels between them one is dead, but for its bias."""
    generator = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(generator.standard_normal(shape), np.float32)  # noqa: E731
    params = {
        "first": draw(3, 3, 2, 4).at[..., 1].set(0),
        "bias": draw(4).at[1].set(0.7),
        "second": draw(size, size, reads, 3),
        "last": draw(3),
    }
    return params | {
        name: draw(*leaf) if isinstance(leaf, tuple) else leaf for name, leaf in more.items()
    }


def compacted(apply, params, x=X):
    small = sgl.compact(apply, params, x, strict=True)
    again = sgl.compact(small.apply, small.params, x)
    assert not again.report.shapes, "a second call finds nothing"
    return small


def front(params, x, activation=jax.nn.relu):
    return activation(conv(x, params["first"]) + per_channel(params["bias"]))


def back(params, x, padding="VALID"):
    return conv(x, params["second"], padding) + per_channel(params["last"])


def assert_folds(apply, params, width=3, into=("last",), x=X):
    small = compacted(apply, params, x)
    assert small.params["first"].shape == (3, 3, 2, width)
    assert small.report.folded == into
    assert not small.report.kept
    for name in into:
        assert not np.allclose(small.params[name], params[name])
    return small


def assert_stays(apply, params, why, x=X):
    small = compacted(apply, params, x)
    assert not small.report.shapes
    assert not small.report.folded
    (sentence,) = small.report.kept
    assert sentence.startswith("1 of bias: ")
    assert why in sentence
    assert sentence in str(small.report)
