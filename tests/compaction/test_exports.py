"""Compacted networks in other formats give the same answers, or a sentence says why not."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.dead import assert_same
from support.idx_files import assert_sentence
from support.tiny import snapshot

import sgl_jax as sgl
from sgl_jax.compaction.artifacts import load_safetensors


def run_stablehlo(path, apply, params, x):
    return jax.export.deserialize(bytearray(path.read_bytes())).call(x)[0]


def run_onnx(path, apply, params, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    (found,) = onnxruntime.InferenceSession(path).run(None, {"input0": np.asarray(x)})
    return found


def run_safetensors(path, apply, params, x):
    found = load_safetensors(path, apply, params)
    return found.apply(found.params, x)


def run_sgl(path, apply, params, x):
    small = sgl.compact(apply, params, x[:1])
    return small.apply(sgl.load_archive(path, small.params), x)


RUN = {
    "stablehlo": run_stablehlo,
    "onnx": run_onnx,
    "safetensors": run_safetensors,
    "sgl": run_sgl,
}


def needs(name):
    if name == "onnx":
        pytest.importorskip("jax2onnx")


@pytest.mark.parametrize("name", sgl.EXPORTERS)
def test_export_gives_the_same_answers(tmp_path, networks, name):
    needs(name)
    apply, params, x, small = networks["flax"]
    path = tmp_path / f"small.{name}"
    path.write_text("the one before")
    sgl.export(str(path), small)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    for images in (x, x[:3]):
        found = RUN[name](path, apply, params, images)
        np.testing.assert_allclose(found, apply(params, images), rtol=0, atol=1e-5)


def test_half_precision_comes_back_from_safetensors(tmp_path, networks):
    apply, params, x, small = networks["bfloat16"]
    sgl.export(tmp_path / "small.safetensors", small)
    found = load_safetensors(tmp_path / "small.safetensors", apply, params)
    assert_same(found, small, x)


@pytest.mark.parametrize("name", ["stablehlo", "onnx"])
def test_a_network_that_counts_its_batch_is_exported_for_that(tmp_path, name):
    needs(name)

    def apply(params, x):
        return x.reshape(len(x), -1) @ params

    params, x = jnp.ones((4, 2)), jnp.ones((3, 2, 2))
    path, small = tmp_path / f"small.{name}", sgl.compact(apply, params, x)
    with pytest.warns(UserWarning, match=r"shapes \[\(3, 2, 2\)\] only.*write x\.shape\[0\]"):
        sgl.export(path, small)
    np.testing.assert_allclose(RUN[name](path, apply, params, x), 4.0)


def test_a_batch_that_is_broadcast_to_is_a_symbol_too(tmp_path):
    def apply(params, x):
        return (x @ params["a"]) * jnp.broadcast_to(params["b"][None], (x.shape[0], 4))

    params = {"a": jnp.ones((3, 4)).at[:, 1].set(0), "b": jnp.ones(4)}
    sgl.export(tmp_path / "small.stablehlo", sgl.compact(apply, params, jnp.ones((2, 3))))
    found = run_stablehlo(tmp_path / "small.stablehlo", apply, params, jnp.ones((7, 3)))
    np.testing.assert_allclose(found, apply(params, jnp.ones((7, 3))))


def test_an_onnx_model_with_other_answers_is_refused(tmp_path, networks):
    needs("onnx")
    *_, small = networks["float32"]

    def lying(params, x):
        scale = 2.0 if isinstance(x, jax.core.Tracer) else 1.0
        return scale * small.apply(params, x)

    with pytest.raises(ValueError, match="must give the same answers"):
        sgl.export(tmp_path / "small.onnx", dataclasses.replace(small, apply=lying))
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("ending", ["", ".pt", ".ONNX"])
def test_an_unknown_ending_is_refused(tmp_path, networks, ending):
    path = tmp_path / f"small{ending}"
    with pytest.raises(
        ValueError, match=r"\.onnx, \.safetensors, \.sgl, \.stablehlo, got"
    ) as error:
        sgl.export(path, networks["float32"][3])
    assert_sentence(error, path)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("onnx", "jax2onnx", "onnx"),
        ("safetensors", "safetensors.numpy", "export"),
        ("stablehlo", "flatbuffers", "export"),
    ],
)
def test_a_package_that_is_missing_is_named(tmp_path, networks, monkeypatch, name, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization", raising=False)
    with pytest.raises(ImportError, match="not installed") as error:
        sgl.export(tmp_path / f"small.{name}", networks["float32"][3])
    assert_sentence(error, package.partition(".")[0], f"pip install 'sgl-jax[{extra}]'")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"\0" * 20, b"\x02\0\0\0\0\0\0\0{}"])
def test_file_without_an_exported_network_is_refused(tmp_path, networks, content):
    apply, params, *_ = networks["flax"]
    path = tmp_path / "small.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="written by save_compact") as error:
        load_safetensors(path, apply, params)
    assert_sentence(error, path)


def test_an_exported_network_that_is_cut_short_is_refused(tmp_path, networks):
    apply, params, _, small = networks["flax"]
    path = tmp_path / "small.safetensors"
    sgl.export(path, small)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="needs to be whole") as error:
        load_safetensors(path, apply, params)
    assert_sentence(error, path)
