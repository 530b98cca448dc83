"""Names of run folders."""

from pathlib import Path

from sgl_jax.runs.config import Config
from sgl_jax.runs.results import name_source


__all__ = ["check_name", "make_name", "name_kind"]


def check_name(name: str) -> str:
    """Refuses a name that leads out of the folder of the runs.

    Args:
      name: the name.

    Raises:
      ValueError: it leads out of the folder.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(
            f"A run needs a --name within the folder of the runs, got {name}: give the folder by "
            "--runs."
        )
    return name


def make_name(config: Config) -> str:
    """Makes a name from the parts that tell runs apart; paths without their folders or modules.

    Args:
      config: config of the run.
    """
    parts = (config.data, config.model, config.algorithm, name_source(vars(config)))
    words = [Path(part.rpartition(":")[2]).resolve().stem for part in parts]
    if config.target_option is not None:
        share = getattr(config, config.target_option)
        words.append(f"{config.target_option.removeprefix('target_')}{share:g}")
    return "-".join([*words, f"seed{config.seed}"])


def name_kind(config: Config) -> str:
    """Names the network of a run: dense or sparse.

    Args:
      config: config of the run.
    """
    return "dense" if config.dense else "sparse"
