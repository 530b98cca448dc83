"""CONTRIBUTING's worked example, a penalty, is one that passes the contract."""

import bisect
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.documents import copied, python_blocks

import sgl_jax as sgl


CODE, CLASS_LINE, OPERATOR_LINE, ROW = (
    block for block in python_blocks("CONTRIBUTING.md") if "cauchy" in block
)


@pytest.fixture(scope="module")
def cauchy():
    names = {"__name__": "cauchy"}
    exec(compile(CODE, "CONTRIBUTING.md", "exec"), names)
    return names["Cauchy"]


@pytest.mark.parametrize("lam", [0.0, 0.1, 5.0, 100.0])
@pytest.mark.parametrize("gamma", [0.01, 0.3, 2.0])
def test_penalty_is_what_it_declares(cauchy, lam, gamma):
    sgl.check_penalty(cauchy(lam, gamma))


@pytest.mark.parametrize("untrue", [{"curvature": "concave"}, {"semiconcavity": lambda self: 0.0}])
def test_penalty_that_declares_itself_concave_is_refused(cauchy, untrue):
    with pytest.raises(ValueError, match="got Untrue where that fails at t=") as raised:
        sgl.check_penalty(type("Untrue", (cauchy,), untrue)(0.1))
    assert "concave" in str(raised.value)


def test_group_form_comes_for_free(cauchy):
    penalty = cauchy(0.5, 0.7)
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 2, 4))
    one = jax.vmap(lambda w: penalty.prox(w, 0.3, axes=(0, 1, 2)), in_axes=3, out_axes=3)
    np.testing.assert_allclose(penalty.prox(kernel, 0.3, axes=(0, 1, 2)), one(kernel), rtol=1e-5)
    regularizer = sgl.Regularizer(penalty, sgl.by_filter())
    shrunk = regularizer.prox({"kernel": kernel}, 0.3)["kernel"]
    assert jnp.all(jnp.linalg.norm(shrunk) < jnp.linalg.norm(kernel))


def test_bad_parameters_are_refused(cauchy):
    with pytest.raises(ValueError, match=r"Cauchy needs gamma > 0, got gamma=0."):
        cauchy(0.1, 0)


def add_import(path, line):
    """Puts an import line where it belongs in the order of the others."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    first, *_, last = (k for k, old in enumerate(lines) if old.startswith("from sgl_jax.pen"))
    imports = lines[first : last + 1]
    bisect.insort(imports, line)
    path.write_text("".join([*lines[:first], *imports, *lines[last + 1 :]]), encoding="utf-8")


CONTRACT = {
    "penalties/test_declarations.py": "cauchy and declares",
    "penalties/test_penalties.py": "cauchy and (equation or overflows or derivatives)",
    "penalties/test_prox.py": "cauchy and (every_step or one_kernel) or has_an_oracle",
    "penalties/test_joint.py": "cauchy and least_of_a_grid",
    "regularizers/test_lam_max.py": "cauchy",
    "regularizers/test_optimality.py": "cauchy",
    "documents/test_api.py": "cauchy or catalogues_are_the_files or operator_of_every",
    "documents/test_tables.py": "cauchy or catalogues_and_records",
}
"""The tests that a penalty must pass, and so the recipe's in the copy."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A copy of the project with the penalty of CONTRIBUTING added as it says."""
    folder = copied(tmp_path_factory.mktemp("recipe"))
    package = folder / "sgl_jax"
    (package / "penalties" / "cauchy.py").write_text(CODE, encoding="utf-8")
    add_import(package / "penalties" / "__init__.py", CLASS_LINE)
    add_import(package / "prox.py", OPERATOR_LINE)
    oracles = folder / "tests" / "support" / "oracles.py"
    text, opening = oracles.read_text(encoding="utf-8"), "\nSCALARS = {\n"
    assert text.count(opening) == 1
    oracles.write_text(text.replace(opening, opening + ROW), encoding="utf-8")
    assert call(folder / "tests", folder, "-m", "support.tables").returncode == 0
    return folder


def call(where, folder, *arguments):
    """Runs Python with the package of the copy."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=where,
        env={"PATH": "", "PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"},
    )


@pytest.fixture(scope="module")
def contract(recipe):
    """What pytest says to the contract in the copy, in one process."""
    chosen = " or ".join(f"({Path(file).stem} and ({names}))" for file, names in CONTRACT.items())
    files = [f"tests/{file}" for file in CONTRACT]
    options = ["-k", chosen, "-p", "no:cacheprovider", "-v"]
    return call(recipe, recipe, "-m", "pytest", *files, *options)


@pytest.mark.slow
@pytest.mark.parametrize("file", CONTRACT)
def test_penalty_of_the_recipe_passes_its_contract(contract, file):
    assert contract.returncode == 0, contract.stdout + contract.stderr
    lines = [line for line in contract.stdout.splitlines() if line.startswith(f"tests/{file}::")]
    assert any("cauchy" in line.lower() and "PASSED" in line for line in lines), contract.stdout


@pytest.mark.slow
def test_penalty_of_the_recipe_has_its_row_and_its_public_names(recipe):
    assert "\n| `Cauchy` | $" in (recipe / "docs/choosing.md").read_text(encoding="utf-8")
    names = "sgl_jax.Cauchy is sgl_jax.PENALTIES['cauchy'] and sgl_jax.prox.prox_cauchy"
    found = call(recipe, recipe, "-c", f"import sgl_jax\nassert {names}")
    assert found.returncode == 0, found.stderr
