"""The last epochs of a run train its sparse network on, on the support that it has."""

import dataclasses

import jax
import numpy as np
import pytest
from support.tiers import usual
from support.tiny import bits, resumed_after

from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Run, get_sparse_params, prepare, run, train_epochs
from sgl_jax.runs.folder import RunFolder


SPLITTING = Config(
    model="support.tiny:Tiny",
    algorithm="splitting",
    penalty="transformed_l1",
    lam=2.0,
    beta=42.0,
    epochs=3,
    batch_size=512,
    learning_rate=0.02,
    finish=0.34,
)


def zeros(params):
    return {key: leaf == 0 for key, leaf in bits_free(params).items()}


def bits_free(params):
    """Kernels of a tree of parameters, by path."""
    keyed, _ = jax.tree_util.tree_flatten_with_path(params)
    found = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in keyed}
    return {path: leaf for path, leaf in found.items() if leaf.ndim > 1}


@pytest.fixture(scope="module")
def runs():
    """The run after each of its epochs; states are copies."""
    experiment = prepare(SPLITTING)
    found = []
    for each in train_epochs(Run(experiment, experiment.state, [])):
        found.append(each._replace(state=jax.tree.map(lambda leaf: leaf.copy(), each.state)))
    return found


@pytest.mark.slow
def test_weights_of_a_splitting_become_its_sparse_copy_and_keep_its_zeros(runs):
    _, second, last = runs
    assert second.records[-1].gap > 0
    sparse = get_sparse_params(SPLITTING, second.state)
    assert sum(mask.sum() for mask in zeros(sparse).values()) > 0
    assert all(
        np.array_equal(mask, zeros(last.state.params)[path]) for path, mask in zeros(sparse).items()
    )
    moved = bits_free(last.state.params)
    assert all(not np.array_equal(leaf, moved[path]) for path, leaf in bits_free(sparse).items())


def test_record_has_the_errors_of_both_copies_before_and_of_one_after(runs):
    *_, before, after = runs[-1].records
    assert before.gap > 0
    assert before.sparse_error != before.error
    assert after.gap == 0
    assert after.sparse_error == after.error
    assert after.sparsity.weights == before.sparsity.weights > before.w_sparsity.weights


def test_epochs_before_the_end_are_those_of_a_shorter_run(runs):
    shorter = dataclasses.replace(SPLITTING, epochs=2, finish=None)
    assert run(shorter).records == runs[-1].records[:2]


@pytest.mark.parametrize("epoch", usual((1, 2), {2}))
def test_run_goes_on_bit_for_bit_across_the_change(runs, tmp_path, epoch):
    resumed = resumed_after(epoch, RunFolder(tmp_path / "run"), SPLITTING)
    assert resumed.records == runs[-1].records
    assert bits(resumed.state) == bits(runs[-1].state)


@pytest.mark.parametrize(
    "algorithm",
    usual(["prox_adam", "prox_sgd", "fista", "schedule_free", "rda", "admm", "hspg"], {"fista"}),
)
def test_every_algorithm_ends_on_the_support_of_its_sparse_network(algorithm):
    rates = {"prox_adam": 0.02, "schedule_free": 0.02, "admm": 0.02}
    config = dataclasses.replace(
        SPLITTING,
        algorithm=algorithm,
        penalty="l1",
        beta=Config.beta,
        epochs=2,
        finish=0.5,
        learning_rate=rates.get(algorithm, 0.1),
    )
    experiment = prepare(config)
    first, last = train_epochs(Run(experiment, experiment.state, []))
    del first
    kernels = bits_free(last.state.params)
    assert all(np.isfinite(leaf).all() for leaf in kernels.values())
    weights = sum(leaf.size for leaf in kernels.values())
    count = sum(mask.sum() for mask in zeros(last.state.params).values())
    assert count / weights == pytest.approx(last.records[0].sparsity.weights)


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        (0.1, "to be an epoch or more, and fewer than all with a target"),
        (1.1, "> 0 and <= 1"),
        (-0.2, "> 0 and <= 1"),
    ],
)
def test_share_has_a_range(finish, words):
    with pytest.raises(ValueError, match=f"needs finish {words}, got finish={finish}"):
        prepare(dataclasses.replace(SPLITTING, finish=finish))
