"""The removal of the weakest groups until a budget holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.problems import draw
from support.refusals import complaint

import sgl_jax as sgl


ENTRIES = sgl.Regularizer(sgl.L1(1.0))


def share(params):
    """The share of entries that are not zero."""
    leaves = jax.tree.leaves(params)
    return sum(np.count_nonzero(leaf) for leaf in leaves) / sum(leaf.size for leaf in leaves)


@pytest.mark.parametrize("name", ["l1", "l0", "scad", "transformed_l1", "log_sum"])
@pytest.mark.parametrize("target", [0.9, 0.3, 0.05])
def test_largest_entries_stay_as_they_are(name, target):
    params = draw(0)
    found = sgl.project_to_budget(
        sgl.Regularizer(sgl.PENALTIES[name](1.0)), params, share, target, tolerance=0.0
    )
    sizes = np.sort(np.concatenate([np.abs(leaf).ravel() for leaf in jax.tree.leaves(params)]))
    bound = sizes[len(sizes) - int(target * len(sizes))]

    def check(new, old):
        # The largest entry of a leaf stays, whatever it is.
        stays = (np.abs(old) >= bound) | (np.abs(old) == np.abs(old).max())
        np.testing.assert_array_equal(new, np.where(stays, old, 0))

    biases = sum(np.abs(draw(0)[k]["bias"]).max() < bound for k in ("conv", "fc"))
    assert abs(share(found) - target) <= (1 + biases) / len(sizes)
    if not biases:
        jax.tree.map(check, found, params)


WIDE = {"big": jnp.array([[1.0, 2.0, 3.0]] * 4), "small": jnp.linspace(3.5, 13.0, 20)[None]}
COST = {"big": 25.0, "small": 1.0}
FILTERS = sgl.Regularizer(sgl.L1(1.0), sgl.by_filter(), None)


def cost(params):
    """The share that is left of what the columns of the two leaves cost."""
    live = {name: np.any(np.asarray(leaf) != 0, axis=0).sum() for name, leaf in params.items()}
    return float(sum(COST[name] * count for name, count in live.items()) / 95)


def live(params):
    return {name: int(np.any(np.asarray(leaf) != 0, 0).sum()) for name, leaf in params.items()}


def test_groups_go_by_their_norm_until_the_budget_holds():
    assert cost(WIDE) == 1.0
    found = sgl.project_to_budget(FILTERS, WIDE, cost, 70 / 95, tolerance=0.0)
    # Norms: 2, 4 and 6 of the big ones, 3.5 to 13 of the small ones.
    assert live(found) == {"big": 2, "small": 20}
    np.testing.assert_array_equal(found["big"], WIDE["big"] * np.array([[0.0, 1.0, 1.0]]))


def test_group_that_leads_too_far_below_is_passed_over():
    found = sgl.project_to_budget(FILTERS, WIDE, cost, 66 / 95, tolerance=0.01)
    assert live(found) == {"big": 2, "small": 16}
    # The second big one is weaker than the sixteen, but would leave 41.
    assert float(found["big"][0, 1]) == 2.0


def test_all_groups_that_lead_too_far_below_are_passed_over():
    weak = WIDE | {"big": jnp.ones((4, 40)) * jnp.linspace(0.1, 1.0, 40)[None]}
    calls = []

    def measure(params):
        calls.append(1)
        return cost(params) * 95 / 1020

    found = sgl.project_to_budget(FILTERS, weak, measure, 1015 / 1020, tolerance=1e-4)
    assert live(found) == {"big": 40, "small": 15}
    assert len(calls) <= 39 + 2 * 5 + 2


def test_weights_of_the_groups_decide_their_order():
    weights = {"big": jnp.array(1.0), "small": jnp.array(10.0)}
    regularizer = sgl.Regularizer(sgl.L1(1.0), sgl.by_filter(), weights)
    found = sgl.project_to_budget(regularizer, WIDE, cost, 80 / 95)
    assert live(found) == {"big": 3, "small": 5}


def test_no_leaf_loses_its_strongest_group():
    found = sgl.project_to_budget(FILTERS, WIDE, cost, 0.01)
    assert live(found) == {"big": 1, "small": 1}
    assert float(found["big"][0, 2]) == 3.0


def test_what_is_within_the_budget_stays_the_same_object():
    assert sgl.project_to_budget(FILTERS, WIDE, cost, 0.99) is WIDE


def test_what_died_beyond_the_budget_comes_back():
    after = {"big": WIDE["big"] * np.array([[0.0, 0.0, 0.5]]), "small": WIDE["small"] * 0.5}
    kept = sgl.project_to_budget(FILTERS, after, cost, 70 / 95)
    assert kept is after  # 45 of 95, and nothing to bring back
    assert live(sgl.project_to_budget(FILTERS, after, cost, 0.99, before=WIDE))["big"] == 3
    found = sgl.project_to_budget(FILTERS, after, cost, 70 / 95, before=WIDE)
    expected = WIDE["big"] * np.array([[0.0, 1.0, 0.5]])
    np.testing.assert_array_equal(found["big"], expected)
    np.testing.assert_array_equal(found["small"], after["small"])


def test_entry_of_a_sparse_group_goes_by_itself_or_with_its_group():
    params = {"kernel": jnp.array([[3.0, 0.1, 0.3], [1.0, 0.2, 9.0]])}
    entries = sgl.SparseGroup(sgl.L1(1.0), sgl.L1(0.0), sgl.by_filter())
    found = sgl.project_to_budget(entries, params, share, 0.5)["kernel"]
    np.testing.assert_array_equal(found, [[3, 0, 0], [1, 0, 9]])
    groups = sgl.SparseGroup(sgl.L1(0.0), sgl.L1(1.0), sgl.by_filter())
    found = sgl.project_to_budget(groups, params, share, 0.67)["kernel"]
    np.testing.assert_array_equal(found, params["kernel"] * np.array([[1.0, 0.0, 1.0]]))


def test_measure_is_called_a_few_times():
    calls = []

    def counted(params):
        calls.append(1)
        return share(params)

    params = {"kernel": jnp.asarray(draw(0, shapes=(100, 100)))}
    sgl.project_to_budget(ENTRIES, params, counted, 0.123, tolerance=1e-4)
    assert len(calls) <= 2 * 14 + 2


@pytest.mark.parametrize(
    ("regularizer", "target", "words"),
    [
        (ENTRIES, 0.0, "target in (0, 1), got target=0.0"),
        (ENTRIES, 1.5, "target in (0, 1), got target=1.5"),
        (sgl.Regularizer(sgl.TopK(3)), 0.5, "a penalty, got the constraint TopK"),
        (sgl.Regularizer(sgl.Exclusive(1.0)), 0.5, "removes, got none by Exclusive"),
        (sgl.Regularizer(sgl.L1(sgl.warmup(1.0, 3))), 0.5, "numbers as strengths"),
        (sgl.L1(1.0), 0.5, "a regularizer, got the penalty L1"),
    ],
)
@pytest.mark.usefixtures("as_for_users")
def test_budget_that_cannot_be_held_is_refused(regularizer, target, words):
    call = lambda: sgl.project_to_budget(regularizer, draw(0), share, target)  # noqa: E731
    assert words in complaint(call)
