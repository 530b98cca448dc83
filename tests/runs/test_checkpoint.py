"""Checkpoints: every bit comes back, one is kept, and what cannot be read is refused."""

import shutil

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from support.idx_files import assert_sentence
from support.tiers import paired
from support.tiny import bits, full_disk

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax._util import orbax
from sgl_jax.algorithms import prox_adam, splitting
from sgl_jax.runs import _checkpoint as checkpoint


# Orbax leaves tasks of a closed event loop behind where it fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]

LABELS = jnp.array([0, 1, 0, 1, 0, 1])

LASSO = sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.1))

OPTIMIZERS = {
    "prox_adam": prox_adam(0.1, LASSO),
    "splitting": splitting(0.1, LASSO, beta=2.0),
    "adam": optax.adam(0.1),
    "half precision": optax.adam(0.1, mu_dtype=jnp.bfloat16),
    "no state": optax.sgd(0.1),
}


class Noisy(nnx.Module):
    """A dense network with random streams and running statistics."""

    def __init__(self, width=3):
        rngs = nnx.Rngs(0)
        self.fc1 = nnx.Linear(4, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.fc2 = nnx.Linear(width, 2, rngs=rngs)

    def __call__(self, images):
        x = self.norm(self.fc1(images.reshape(len(images), -1)))
        return self.fc2(self.dropout(x))


def first(tx, width=3):
    """Makes the state before the first step."""
    _, params, rest = train.split(Noisy(width))
    return train.init_state(tx, params, rest)


def stepper(tx):
    """Makes the compiled step."""
    forward = train.split(Noisy())[0].forward
    images = jnp.linspace(0.0, 1.0, 24).reshape(6, 2, 2, 1)
    return jax.jit(lambda state: train.train_step(forward, tx, state, images, LABELS)[0])


@pytest.fixture(scope="module")
def step():
    return stepper(OPTIMIZERS["prox_adam"])


@pytest.fixture(scope="module")
def states(step):
    """The state before the first step, and that after it."""
    start = first(OPTIMIZERS["prox_adam"])
    return start, step(start)


@pytest.fixture(scope="module")
def written(tmp_path_factory, states):
    """A folder with the checkpoint of epoch 2, to read and to copy."""
    folder = tmp_path_factory.mktemp("written") / "checkpoints"
    checkpoint.save(folder, 2, states[1])
    return folder


@pytest.fixture
def saved(written, tmp_path):
    return shutil.copytree(written, tmp_path / "checkpoints")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("tx", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_bit_of_a_state_comes_back(tmp_path, tx):
    start = first(tx)
    state = stepper(tx)(start)
    kept = bits(state)
    assert kept != bits(start)
    assert any("key" in leaf[0] for leaf in kept.values())
    checkpoint.save(tmp_path, 1, state)
    found = checkpoint.load(tmp_path, 1, start)
    assert jax.tree.structure(found) == jax.tree.structure(state)
    assert bits(found) == kept == bits(state)


def test_a_state_that_came_back_goes_on_as_the_one_that_was_kept(saved, states, step):
    assert bits(step(checkpoint.load(saved, 2, states[0]))) == bits(step(states[1]))


def test_the_newest_is_kept_alone(saved, states):
    assert checkpoint.find_latest(saved) == 2
    for epoch in (3, 10):
        checkpoint.save(saved, epoch, states[0])
        assert checkpoint.find_latest(saved) == epoch
        assert names(saved) == [str(epoch)]
    assert bits(checkpoint.load(saved, 10, states[1])) == bits(states[0])


def test_strengths_by_their_older_names_are_read(tmp_path, states):
    leaves = orbax.to_host(states[1])
    older = {
        name.replace("/strengths/lam", "/strengths/entry_lam"): leaves[name] for name in leaves
    }
    assert older.keys() != leaves.keys()
    orbax.write(tmp_path / "2", older)
    assert bits(checkpoint.load(tmp_path, 2, states[0])) == bits(states[1])


def test_an_epoch_may_be_saved_again(saved, states):
    checkpoint.save(saved, 2, states[0])
    assert names(saved) == ["2"]
    assert bits(checkpoint.load(saved, 2, states[1])) == bits(states[0])


def test_what_an_interrupted_writing_left_is_passed_over_then_deleted(saved, states):
    for name in ("3.orbax-checkpoint-tmp", "3.orbax-checkpoint-tmp-1234"):
        (saved / name / "state").mkdir(parents=True)
        (saved / name / "state" / "manifest.ocdbt").write_bytes(b"half")
    assert checkpoint.find_latest(saved) == 2
    assert bits(checkpoint.load(saved, 2, states[0])) == bits(states[1])
    checkpoint.save(saved, 3, states[1])
    assert names(saved) == ["3"]


@pytest.mark.parametrize("make", [False, True], ids=["no folder", "empty folder"])
def test_there_is_no_newest_where_there_is_none(tmp_path, make):
    if make:
        (tmp_path / "checkpoints").mkdir()
    assert checkpoint.find_latest(tmp_path / "checkpoints") == 0


@pytest.mark.parametrize(
    ("before", "after", "width", "parts"),
    {
        "widths": ("no state", "no state", 5, ("float32[5] at 'params/fc1/bias", "float32[3]")),
        "precision": (
            "adam",
            "half precision",
            3,
            ("bfloat16[3] at 'opt_state/0", "float32["),
        ),
        "less": ("adam", "no state", 3, ("nothing at 'opt_state/0/count'", "int32[] there")),
        "more": ("no state", "adam", 3, ("int32[] at 'opt_state/0/count'", "nothing there")),
    }.values(),
    ids=("widths", "precision", "less", "more"),
)
def test_another_network_or_optimizer_is_refused_by_its_first_leaf(
    tmp_path, before, after, width, parts
):
    checkpoint.save(tmp_path, 2, first(OPTIMIZERS[before]))
    with pytest.raises(ValueError, match="of this network and optimizer") as error:
        checkpoint.load(tmp_path, 2, first(OPTIMIZERS[after], width))
    assert_sentence(error, *parts, tmp_path / "2")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def deleted(path):
    path.unlink()


@pytest.mark.parametrize(
    ("files", "damage"),
    paired(["**/d/*", "**/manifest.ocdbt", "_METADATA"], [halved, emptied, deleted]),
)
def test_a_damaged_checkpoint_is_refused(saved, states, files, damage):
    found = list((saved / "2").glob(files))
    assert found
    for path in found:
        damage(path)
    with pytest.raises(ValueError, match="needs to be whole") as error:
        checkpoint.load(saved, 2, states[0])
    assert_sentence(error, saved / "2", "--overwrite")


def test_an_empty_folder_is_no_checkpoint(tmp_path, states):
    (tmp_path / "4").mkdir()
    with pytest.raises(ValueError, match="needs to be whole") as error:
        checkpoint.load(tmp_path, 4, states[0])
    assert_sentence(error, tmp_path / "4")


@pytest.mark.parametrize("below", [".", "checkpoints"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, states, below):
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="needs a disk that can be written") as error:
        checkpoint.save(tmp_path / "file" / below, 1, states[1])
    assert_sentence(error, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_full_disk_is_refused_and_leaves_the_checkpoint_before(saved, states):
    with full_disk(), pytest.raises(OSError, match="needs a disk that can be written") as error:
        checkpoint.save(saved, 3, states[0])
    assert_sentence(error, saved / "3", "--resume")
    assert checkpoint.find_latest(saved) == 2
    assert bits(checkpoint.load(saved, 2, states[0])) == bits(states[1])
