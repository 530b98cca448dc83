"""Weights to start from: every format gives the arrays of the network, and others are refused."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
from flax import nnx
from support.idx_files import assert_sentence
from support.tiny import Normed, bits

from sgl_jax import train
from sgl_jax._util import orbax
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.models import ResNet
from sgl_jax.runs._initial import FORMATS, load_initial
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import prepare
from sgl_jax.runs.folder import RunFolder


def split(seed):
    """Parameters and other arrays of a network with statistics that have moved."""
    _, params, rest = train.split(Normed(3, rngs=nnx.Rngs(seed)))
    return params, jax.tree.map(lambda x: x + seed if x.dtype == jnp.float32 else x, rest)


@pytest.fixture
def arrays():
    """Numbers of a network by path, as many programs write them."""
    params, rest = split(1)
    found = {**orbax.to_host(params), **orbax.to_host(rest)}
    return {name: array for name, array in found.items() if array.dtype == np.float32}


def write(kind, folder, arrays):
    """Writes arrays in a format; returns the path."""
    match kind:
        case "run folder":
            (folder / "checkpoints").mkdir(parents=True)
            (folder / "config.json").touch()
            state = {f"params/{n}": array for n, array in arrays.items()}
            state |= {"opt_state/0/count": np.zeros(()), "step": np.zeros(())}
            orbax.write(folder / "checkpoints" / "7", state)
        case "Orbax checkpoint":
            nested = {"params": {}, "batch_stats": {}}
            for name, array in arrays.items():
                layer, leaf = name.split("/")
                kept = nested["batch_stats" if leaf in ("mean", "var") else "params"]
                kept.setdefault(layer, {})[leaf] = jnp.asarray(array)
            with ocp.StandardCheckpointer() as checkpointer:
                checkpointer.save(folder, nested)
        case "safetensors":
            folder = folder.with_suffix(".safetensors")
            dotted = {name.replace("/", "."): array for name, array in arrays.items()}
            safetensors.numpy.save_file(dotted, folder)
        case "npz":
            folder = folder.with_suffix(".npz")
            np.savez(folder, **{f"{name}/value": array for name, array in arrays.items()})
    return folder


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_parameters_and_statistics(tmp_path, arrays, kind):
    path = write(kind, tmp_path / "weights", arrays)
    params, rest = split(0)
    found = load_initial(str(path), params, rest)
    expected = split(1)
    assert bits(found[0]) == bits(expected[0]) != bits(params)
    assert jax.tree.structure(found) == jax.tree.structure((params, rest))
    others, before = flatten_by_path(found[1])[0], flatten_by_path(rest)[0]
    for name, array in flatten_by_path(expected[1])[0].items():
        if name in arrays:
            np.testing.assert_array_equal(others[name], array)
        else:
            assert others[name] is before[name]


def test_statistics_may_be_missing_and_precision_is_that_of_the_network(tmp_path, arrays):
    halved = {n: a.astype(np.float16) for n, a in arrays.items() if n[-4:] not in ("mean", "/var")}
    params, rest = split(0)
    found = load_initial(str(write("npz", tmp_path / "half", halved)), params, rest)
    assert bits(found[1]) == bits(rest)
    for name, leaf in flatten_by_path(found[0])[0].items():
        assert leaf.dtype == np.float32
        np.testing.assert_array_equal(leaf, halved[name].astype(np.float32))


CHANGES = {
    "missing": (lambda found: found.pop("fc/kernel"), "(2, 3) at 'fc/kernel', got nothing"),
    "further": (
        lambda found: found.update({"fc2/bias": np.zeros(4)}),
        "nothing at 'fc2/bias', got an array of shape (4,)",
    ),
    "parameter": (
        lambda found: found.update({"fc/bias": np.zeros(4)}),
        "an array of shape (3,) at 'fc/bias', got an array of shape (4,)",
    ),
    "statistic": (
        lambda found: found.update({"norm/mean": np.zeros(4)}),
        "(2,) at 'norm/mean', got an array of shape (4,)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_of_another_network_are_refused_by_the_first_mismatch(tmp_path, arrays, change):
    alter, words = CHANGES[change]
    alter(arrays)
    path = write("npz", tmp_path / "other", arrays)
    with pytest.raises(ValueError, match="of this network") as error:
        load_initial(str(path), *split(0))
    assert_sentence(error, words, path)


NAMES = {
    "stem": "conv1",
    "bn": "bn1",
    "blocks/0/conv1": "layer1.0.conv1",
    "blocks/0/bn1": "layer1.0.bn1",
    "blocks/0/conv2": "layer1.0.conv2",
    "blocks/0/bn2": "layer1.0.bn2",
    "blocks/1/conv1": "layer2.0.conv1",
    "blocks/1/bn1": "layer2.0.bn1",
    "blocks/1/conv2": "layer2.0.conv2",
    "blocks/1/bn2": "layer2.0.bn2",
    "blocks/1/shortcut/conv": "layer2.0.shortcut.0",
    "blocks/1/shortcut/bn": "layer2.0.shortcut.1",
    "blocks/2/conv1": "layer3.0.conv1",
    "blocks/2/bn1": "layer3.0.bn1",
    "blocks/2/conv2": "layer3.0.conv2",
    "blocks/2/bn2": "layer3.0.bn2",
    "blocks/2/shortcut/conv": "layer3.0.shortcut.0",
    "blocks/2/shortcut/bn": "layer3.0.shortcut.1",
    "fc": "linear",
}
"""Names of the layers of a ResNet of depth 8 in PyTorch, by those here."""


@pytest.mark.parametrize("rename", [{}, {"shortcut": "downsample", "linear": "fc"}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_pytorch_are_converted(tmp_path, prefix, rename):
    model = ResNet(depth=8, shortcut="projection", rngs=nnx.Rngs(0))
    _, params, rest = train.split(model)
    ours = {**flatten_by_path(params)[0], **flatten_by_path(rest)[0]}
    expected = {n: np.asarray(a) + 1 for n, a in ours.items() if a.dtype == jnp.float32}
    leaves = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    arrays = {f"{prefix}bn1.num_batches_tracked": np.zeros((), np.int64)}
    for path, array in expected.items():
        layer, _, leaf = path.rpartition("/")
        axes = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[array.ndim]
        name = NAMES[layer]
        for old, new in rename.items():
            name = name.replace(old, new)
        arrays[f"{prefix}{name}.{leaves.get(leaf, leaf)}"] = array.transpose(axes)
    np.savez(tmp_path / "weights.npz", **arrays)
    found = load_initial(str(tmp_path / "weights.npz"), params, rest, model.pytorch_layers)
    for tree in found:
        for path, leaf in flatten_by_path(tree)[0].items():
            if path in expected:
                np.testing.assert_array_equal(leaf, expected[path], path)


@pytest.mark.parametrize("kind", FORMATS)
def test_weights_that_cannot_be_read_are_refused(tmp_path, arrays, kind):
    path = write(kind, tmp_path / "weights", arrays)
    if path.is_dir():
        shutil.rmtree(path / "checkpoints" if kind == "run folder" else path)
        path.mkdir(exist_ok=True)
    else:
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match=f"a whole {kind}") as error:
        load_initial(str(path), *split(0))
    assert_sentence(error, path)


def test_paths_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_initial(str(tmp_path / "nowhere"), *split(0))
    assert_sentence(error, tmp_path / "nowhere", "--init-from")
    (tmp_path / "weights.pt").touch()
    with pytest.raises(ValueError, match="formats") as error:
        load_initial(str(tmp_path / "weights.pt"), *split(0))
    assert_sentence(error, tmp_path / "weights.pt", *FORMATS)


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another_and_goes_on_without_them(tmp_path):
    config = Config(model="support.tiny:Tiny", epochs=1, batch_size=512)
    with jax.numpy_dtype_promotion("standard"):
        first = RunFolder(tmp_path / "first").train(config)
        further = dataclasses.replace(config, epochs=2, init_from=str(tmp_path / "first"))
        start = prepare(further)
        assert bits(start.state.params) == bits(first.state.params)
        assert int(start.state.step) == 0
        folder = RunFolder(tmp_path / "further")
        whole = folder.train(further)
        shutil.rmtree(tmp_path / "first")
        again = folder.train(further, "resume")
    assert bits(again.state) == bits(whole.state)
