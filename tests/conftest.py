"""Strict arithmetic, checked shapes and eight devices, set before the package is imported."""

import gc
import os
import signal
from unittest import mock

import jax
import jaxtyping
import optax
import pytest
from support.compiler import WITHOUT_PASSES, faster_flags
from support.tiers import TIERS, thin


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 8)
if not jax.config.jax_platforms:
    jax.config.update("jax_platforms", "cpu")

# For this process alone: most processes that tests start compile as users' do.
with mock.patch.dict(os.environ, faster_flags()):
    jax.block_until_ready(jax.jit(lambda: 0)())  # reads the flags, once and for all

# Programs compile in half the time without LLVM's passes, and run for three times as long or more:
# these files train LeNet-5 for longer than it compiles.
COMPUTES = {"test_many", "test_placement"}


def pytest_configure(config):
    """Checks the types of all arguments, but not where tiers run apart, which takes longer so."""
    if config.option.markexpr not in TIERS:
        jaxtyping.install_import_hook("sgl_jax", "beartype.beartype")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Moves most cases of a test that has many into later tiers."""
    thin(items)


def pytest_collection_finish():
    """Leaves modules and tests, which live to the end, out of every garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


_bias_correction = optax.tree.bias_correction


def bias_correction(*args):
    """Optax's own, which raises a Python float to an integer count: no strict promotion there."""
    with jax.numpy_dtype_promotion("standard"):
        return _bias_correction(*args)


optax.tree.bias_correction = bias_correction


@pytest.fixture(scope="module", autouse=True)
def compiler(request):
    """Passes of the compiler for a module, whose compiled programs go with it.

    Each program holds some memory mappings, of which Linux allows a process 65,530; the compiler
    crashes for want of one.
    """
    jax.config.update(WITHOUT_PASSES, request.path.stem not in COMPUTES)
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def interruptible():
    """Restores SIGINT, which a shell in the background ignores, and so would children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def double():
    """Arrays of float64.

    Two programs of the same equations round differently, on every processor in its own way. In
    single precision some entry comes to lie within rounding of a threshold, a kink of ReLU or a
    tie of a pool before long, and the programs part there; in double precision none does.
    """
    with jax.enable_x64(True):
        yield


@pytest.fixture
def standard_promotion():
    """Dtypes mix: Optax's Adam, schedules, MultiSteps and lookahead need it."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def as_for_users():
    """No runtime type checker that refuses first; dtypes mix, as Optax's Adam has it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    with jax.numpy_dtype_promotion("standard"):
        yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def collected():
    """What Orbax leaves behind is not left to the tests of other modules."""
    yield
    gc.collect()
