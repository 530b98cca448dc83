"""Options: each of them acts on a run with any algorithm, or is refused by name."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiers import usual
from support.tiny import bits

from sgl_jax import train
from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.data import batch_indices
from sgl_jax.runs import _builders as builders
from sgl_jax.runs._data import build_augmentation, build_dataset
from sgl_jax.runs._settings import find_parameters
from sgl_jax.runs.config import Config
from sgl_jax.runs.parts import KINDS


TINY = Config(model="support.tiny:Tiny", epochs=3, batch_size=512)

BASES = {name: dataclasses.replace(TINY, algorithm=name) for name in ALGORITHMS}
BASES["magnitude"] = dataclasses.replace(BASES["magnitude"], penalty="top_k", shape=0.5)
for _name in ("incremental", "straight_through"):
    BASES[_name] = dataclasses.replace(BASES[_name], penalty="levels", bits=("2",))
BASES["cges"] = dataclasses.replace(BASES["cges"], penalty="exclusive", group_weight="none")
BASES["gates"] = dataclasses.replace(TINY, reparametrization="hard_concrete")
BASES["dense prox_adam"] = BASES["prox_adam"].twin()
BASES["dense splitting"] = BASES["splitting"].twin()

VALUES = {
    "data": "support.tiny:load_few",
    "augment": "crop_flip",
    "model": "support.tiny:Wider",
    "algorithm": "prox_sgd",
    "reparametrization": "hard_concrete",
    "settings": ("groups.skip=fc",),
    "penalty": "mcp",
    "shape": 0.25,
    "bits": ("fc=3", "1"),
    "constrain": "all",
    "hold_zeros": True,
    "lam": 0.3,
    "group_lam": 0.3,
    "groups": "filters",
    "group_penalty": "mcp",
    "group_weight": "flops",
    "beta": 3.5,
    "undivided": True,
    "lam_warmup": 1,
    "beta_growth": 2.0,
    "beta_growth_on": "all",
    "optimizer": "sgd",
    "momentum": 0.5,
    "weight_decay": 0.25,
    "learning_rate": 0.5,
    "schedule": "constant",
    "milestones": (2,),
    "decay": 0.25,
    "epochs": 4,
    "finish": 0.5,
    "target_flops": 0.5,
    "target_params": 0.5,
    "target_sparsity": 0.5,
    "shrink_at": 0.5,
    "batch_size": 256,
    "seed": 1,
    "holdout": 97,
    "dense": True,
    "data_root": "nowhere",
    "download": True,
    "image_shape": (14, 14, 1),
    "init_from": "nowhere",
}
"""Another value of every option."""

TARGETS = ("target_flops", "target_params", "target_sparsity")

IN_THE_LOOP = ("epochs", "finish", "init_from", "shrink_at", *TARGETS)
"""Options that act before the first step or between steps; tests of their own show how."""


def names(kind):
    """The names of a kind of part."""
    return list(KINDS[kind].catalogue)


STEPS = {"schedule": "staircase", "milestones": (1,)}

BESIDE = {
    "group_weight": {"groups": "channels"},
    "target_flops": {"groups": "channels"},
    "target_params": {"groups": "channels"},
    "shape": {"penalty": "mcp"},
    "bits": {"penalty": "levels", "bits": ("1",)},
    "constrain": {"penalty": "box"},
    "target_sparsity": {"penalty": "top_k"},
    "beta_growth": STEPS,
    "beta_growth_on": {**STEPS, "beta_growth": 1.5},
    "momentum": {"optimizer": "sgd"},
    "weight_decay": {"optimizer": "adamw"},
    "milestones": STEPS,
    "decay": STEPS,
}
"""Options beside which another one may act."""


def refusal(config):
    """Returns the sentence that refuses a config, or ``None``."""
    try:
        config.check()
        fingerprint(config)
    except ValueError as error:
        return str(error)
    return None


@functools.cache
def load(data, holdout):
    return build_dataset(dataclasses.replace(TINY, data=data, holdout=holdout))


@functools.cache
def build(model, seed, settings, data, holdout):
    config = dataclasses.replace(TINY, model=model, seed=seed, settings=settings)
    return train.split(builders.build_model(config, load(data, holdout)))


@functools.cache
def fingerprint(config):
    """All that a run is made of: data, parameters, groups, state and step of the optimizer."""
    data = load(config.data, config.holdout)
    ours = tuple(text for text in config.settings if text.startswith("model."))
    network, params, rest = build(config.model, config.seed, ours, config.data, config.holdout)
    image = jax.ShapeDtypeStruct((1, *data.x_train.shape[1:]), jnp.float32)
    grouping, weight = builders.build_grouping(config, network.apply, (params, rest), image)
    count = len(data.y_train)
    steps = len(batch_indices(jax.random.key(0), count, config.batch_size))
    strengths = config.strengths(count)
    regularizer = builders.build_regularizer(config, strengths, params, steps, (grouping, weight))
    tx = builders.build_transformation(config, strengths, steps, regularizer)
    method = builders.build_reparametrization(config, strengths, grouping)
    augment = build_augmentation(config)
    state = tx.init(params)
    step = jax.make_jaxpr(tx.update)(params, state, params)
    consts = [np.asarray(const).tobytes() for const in step.consts]
    return (
        [getattr(config, name) for name in IN_THE_LOOP],
        (count, steps, bits(params), grouping.resolve(params)),
        (str(jax.tree.structure(state)), bits(state)),
        (re.sub(r" at 0x\w+", "", str(step)), consts),
        (augment.func, augment.keywords),
        method,
    )


def test_every_option_has_a_value_to_try():
    fields = {field.name: field.default for field in dataclasses.fields(Config)}
    assert VALUES.keys() == fields.keys()
    assert all(VALUES[name] != default for name, default in fields.items())


def test_the_same_config_has_the_same_fingerprint():
    config = BASES["splitting"]
    first = fingerprint(config)
    fingerprint.cache_clear()
    assert fingerprint(config) == first


def assert_acts_or_is_refused(base, option):
    value = VALUES[option]
    if getattr(base, option) == value:
        return
    changed = dataclasses.replace(base, **{option: value})
    sentence = refusal(changed)
    if sentence is None:
        assert fingerprint(changed) != fingerprint(base)
    else:
        assert sentence.endswith(".")
        assert "\n" not in sentence
        # A part that does not go with the others is refused by one of them, and a shape by the
        # target that sets it.
        words = [f"{option}=", base.algorithm, "Exclusive"]
        words += ["shape="] if option == "target_sparsity" and base.shape is not None else []
        assert any(word in sentence for word in words)


@pytest.mark.parametrize("name", usual(list(BASES), ["prox_adam", "splitting", "dense splitting"]))
def test_every_option_acts_or_is_refused(name):
    for option in VALUES:
        assert_acts_or_is_refused(BASES[name], option)
        beside = {key: each for key, each in BESIDE.get(option, {}).items() if key != option}
        base = dataclasses.replace(BASES[name], **beside)
        if beside and refusal(base) is None:
            assert_acts_or_is_refused(base, option)


def another_value(parameter):
    """Another value of a parameter, as text."""
    default = parameter.default
    if isinstance(default, tuple):
        return "0.25, 0.5"  # of both layers
    if isinstance(default, bool):
        return str(not default)
    if isinstance(default, int):
        return str(default + 1)
    return str(0.5 * default or 0.25) if isinstance(default, float) else "0.25"


BESIDE_A_SETTING = {
    ("admm", "refit"): {"penalty": "levels", "bits": ("2",)},
    ("admm", "steps"): {"settings": ("algorithm.rounds=3",)},
}
"""Options beside which a parameter of a part has an effect."""

PARTS = [
    f"{kind} {name}"
    for kind in ("algorithm", "augment", "optimizer", "schedule")
    for name in names(kind)
]


@pytest.mark.parametrize(
    "part", usual(PARTS, ["algorithm admm", "optimizer sgd", "schedule cosine"])
)
def test_every_parameter_of_a_part_is_reached_by_a_setting(part):
    kind, name = part.split()
    base = dataclasses.replace(BASES[name if kind == "algorithm" else "splitting"], **{kind: name})
    found = find_parameters(KINDS[kind].catalogue[name], KINDS[kind].options)
    assert found or name in ("constant", "none", "staircase", "subgradient")
    for parameter in found.values():
        text = f"{kind}.{parameter.name}={another_value(parameter)}"
        beside = dataclasses.replace(base, **BESIDE_A_SETTING.get((name, parameter.name), {}))
        changed = dataclasses.replace(beside, settings=(*beside.settings, text))
        assert fingerprint(changed) != fingerprint(beside)


def build_named(penalty, algorithm, **options):
    """Builds the step of a run with a penalty or constraint, of its defaults."""
    given = {"penalty": penalty, "algorithm": algorithm, **options}
    given |= {"top_k": {"shape": 0.5}, "levels": {"bits": ("2",)}}.get(penalty, {})
    return fingerprint(dataclasses.replace(TINY, **given))


@pytest.mark.parametrize("penalty", [name for name in names("penalty") if name != "none"])
def test_every_penalty_and_constraint_can_be_named(penalty):
    # The input axis of the convolution has length 1, and no 4 neighbours.
    skipped = ("groups.skip=conv",) if penalty == "n_of_m" else ()
    build_named(penalty, "admm", group_penalty="none", settings=skipped)


def test_a_penalty_of_groups_can_stand_alone():
    alone = dataclasses.replace(TINY, penalty="none", group_lam=0.5)
    (_, state) = fingerprint(alone)[2]
    assert any("lam" in path for path in state)
    assert fingerprint(dataclasses.replace(alone, groups="filters")) != fingerprint(alone)
