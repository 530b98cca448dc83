"""Recipes: runs in stages, each of which begins with the weights of the one before.

In the order in which data flow:

- ``_file``: :func:`read_recipe` reads a :class:`Recipe` from a file, and :data:`RECIPES` come with
  the package; :meth:`Recipe.plan` makes a config of every stage;
- ``_folder``: :class:`RecipeFolder` trains the stages, a run folder each.
"""

from sgl_jax.runs.recipes._file import (
    RECIPES as RECIPES,
    Recipe as Recipe,
    Stage as Stage,
    read_recipe as read_recipe,
)
from sgl_jax.runs.recipes._folder import (
    RecipeFolder as RecipeFolder,
    find_run_folder as find_run_folder,
    is_recipe as is_recipe,
)


__all__ = [
    "RECIPES",
    "Recipe",
    "RecipeFolder",
    "Stage",
    "find_run_folder",
    "is_recipe",
    "read_recipe",
]
