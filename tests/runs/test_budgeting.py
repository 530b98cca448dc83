"""A run with a target: its strength follows what is left, and it ends at the target."""

import dataclasses

import jax
import pytest
from support.tiers import usual
from support.tiny import bits, resumed_after

from sgl_jax.compaction import compacted_size, measure_size
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import make_predictor
from sgl_jax.runs.experiment import find_penalised, run
from sgl_jax.runs.folder import RunFolder


SHORT = {"model": "support.tiny:Eight", "epochs": 5, "batch_size": 512, "learning_rate": 0.01}
FLOPS = Config.of({**SHORT, "target_flops": 0.4, "shrink_at": 0.8})


@pytest.fixture(scope="module")
def whole():
    return run(FLOPS)


def share_of_flops(found):
    apply, variables = make_predictor(found)
    image = found.experiment.image
    full = measure_size(apply, variables, image).flops
    return compacted_size(apply, variables, image).flops / full


@pytest.mark.slow
def test_run_lands_on_the_nearest_number_of_channels_below_its_target(whole):
    """Of eight filters three are the most that take 0.4 of the FLOPs."""
    assert share_of_flops(whole) == pytest.approx(3 / 8)
    assert whole.records[-1].layers["conv/kernel"].live == 3


def test_strength_never_falls_until_the_target_is_reached(whole):
    budgets = [record.budget for record in whole.records if record.budget]
    *factors, last = (budget["factor"] for budget in budgets)
    assert factors == sorted(factors)
    assert last == 0
    assert [budget["done"] for budget in budgets] == [False] * len(factors) + [True]
    assert 0 < budgets[0]["measured"] <= 1
    assert len(budgets) <= FLOPS.epochs - FLOPS.finish_epochs


def test_rest_of_the_epochs_train_the_support_without_a_penalty(whole):
    penalised = find_penalised(whole)
    assert penalised is not None
    assert penalised.epoch == sum(record.budget is not None for record in whole.records)
    assert whole.records[-1].loss < whole.records[penalised.epoch].loss
    live = [record.layers["conv/kernel"].live for record in whole.records[penalised.epoch :]]
    assert live == [3] * len(live)


@pytest.mark.parametrize("epoch", usual((2, 4), {2}))
def test_run_goes_on_bit_for_bit_from_every_epoch(whole, tmp_path, epoch):
    resumed = resumed_after(epoch, RunFolder(tmp_path / "run"), FLOPS)
    assert resumed.records == whole.records
    assert bits(resumed.state) == bits(whole.state)


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {"algorithm": "splitting", "penalty": "transformed_l1"}, marks=pytest.mark.slow
        ),
        pytest.param({"algorithm": "admm", "group_penalty": "none"}, marks=pytest.mark.slow),
    ],
)
def test_share_of_zeros_is_met_wherever_an_algorithm_has_them(options):
    found = run(Config.of({**SHORT, "target_sparsity": 0.9, **options}))
    assert found.records[-1].sparsity.weights == pytest.approx(0.9, abs=0.02 * 0.1)
    assert found.records[-1].gap == 0


@pytest.mark.slow
def test_share_of_parameters_is_met():
    found = run(Config.of({**SHORT, "target_params": 0.4}))
    apply, variables = make_predictor(found)
    sizes = (measure_size, compacted_size)
    full, left = (s(apply, variables, found.experiment.image).parameters for s in sizes)
    assert left / full == pytest.approx(3 / 8, abs=0.01)


def test_target_sets_the_defaults_of_other_options():
    config = Config.of({"target_flops": 0.3})
    assert (config.groups, config.group_weight) == ("channels", "flops")
    assert (config.lam, config.group_lam) == (0.0, 1.0)
    assert Config.of({"target_flops": 0.3, "group_lam": 2.0}).group_lam == 2.0
    config.check()
    assert Config.of({}) == Config()


def test_dense_twin_has_no_target():
    twin = FLOPS.twin()
    assert twin.target is None
    assert twin.shrink_at is None
    assert twin.finish_epochs == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_flops": 0.0}, "needs target_flops between 0 and 1, got target_flops=0.0"),
        ({"target_flops": 0.3, "target_sparsity": 0.9}, "one target at most"),
        ({"target_flops": 0.3, "groups": "neurons"}, "needs groups='channels'"),
        ({"target_sparsity": 0.9, "dense": True}, "target_sparsity"),
        ({"target_sparsity": 0.9, "lam_warmup": 1}, "every update evaluates anew"),
        (
            {"target_sparsity": 0.9, "algorithm": "admm", "penalty": "levels", "bits": ("2",)},
            "target_sparsity",
        ),
    ],
)
def test_targets_that_cannot_be_followed_are_refused_before_training(options, message):
    with pytest.raises(ValueError, match=message) as error:
        run(Config.of({**SHORT, **options}))
    assert "\n" not in str(error.value)


def test_record_of_a_run_with_a_strength_has_no_budget():
    config = dataclasses.replace(Config(**SHORT), epochs=1)
    with jax.enable_x64(False):
        assert "budget" not in run(config).records[-1].to_json()
