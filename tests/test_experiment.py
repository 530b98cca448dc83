"""A run from Config to Record, its table, and the command line."""

import dataclasses

import jax
import pytest
from rich.console import Console

from sgl_jax import cli
from sgl_jax.experiment import Config, lookup, run
from sgl_jax.report import comparison


SHORT = Config(epochs=2, batch_size=128)


@pytest.fixture(scope="module", autouse=True)
def standard_promotion():
    """Optax's schedules compare a float with an integer count."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def records():
    configs = {
        "dense": dataclasses.replace(SHORT, algorithm=None),
        "splitting": dataclasses.replace(SHORT, algorithm="splitting", penalty="transformed_l1"),
        "prox_adam": SHORT,
    }
    return {name: run(config) for name, config in configs.items()}


def test_dense_twin_keeps_every_weight(records):
    assert sum(layer.kept for layer in records["dense"].layers.values()) == 430_500
    assert sum(layer.live for layer in records["dense"].layers.values()) == 1_370


def test_proximal_adam_has_exact_zeros_in_its_weights(records):
    record = records["prox_adam"]
    assert record.sparsity.weights > 0.1
    assert record.error == record.sparse_error
    assert record.gap == 0
    assert sum(layer.kept for layer in record.layers.values()) < 430_500


def test_splitting_reports_both_copies(records):
    record = records["splitting"]
    assert record.gap > 0
    assert record.sparsity.weights > 0.1
    assert 0 <= record.error <= record.sparse_error <= 1


def test_table_shows_each_run_and_layer(records):
    console = Console(record=True, width=80)
    console.print(comparison(records))
    text = console.export_text()
    for word in (*records, "conv1", "fc2", "430,500", "||w-v||/||w||"):
        assert word in text
    assert f"{records['splitting'].sparse_error:.2%}" in text


def test_same_seed_gives_the_same_record(records):
    assert run(SHORT) == records["prox_adam"]


def test_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"unknown penalty 'scadd'; choose from l0, l1"):
        run(dataclasses.replace(SHORT, penalty="scadd"))
    with pytest.raises(ValueError, match=r"unknown thing 'b'; choose from a\."):
        lookup("thing", {"a": 1}, "b")


def test_command_line_reports_bad_input_in_one_line(capsys):
    assert cli.main(["--epochs", "0"]) == 2
    assert capsys.readouterr().err == "error: A run needs epochs >= 1, got epochs=0.\n"


def test_command_line_prints_the_comparison(capsys):
    assert cli.main(["--epochs", "1"]) == 0
    assert "prox_adam" in capsys.readouterr().out


def test_interruption_leaves_quietly(monkeypatch, capsys):
    def interrupted(epochs, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "demo", interrupted)
    assert cli.main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"
