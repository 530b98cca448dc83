"""The compiler of the tests: flags with which XLA compiles faster."""

import os

import jax


# The tests mostly wait for the compiler, for a third less without the fusion emitters of XLA's CPU
# backend, which can be switched off up to jax 0.10, and for a quarter less again where it does not
# split a program to compile the parts at once.
FASTER = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


WITHOUT_PASSES = "jax_disable_most_optimizations"
"""The option of jax that leaves LLVM's passes out."""


def faster_environment() -> dict[str, str]:
    """What to add to the environment of a process that compiles more than it computes."""
    return {**faster_flags(), WITHOUT_PASSES.upper(): "1"}


def faster_flags() -> dict[str, str]:
    """What to add to the environment; nothing where it has flags already, or a later jax."""
    free = "XLA_FLAGS" not in os.environ and jax.__version_info__ < (0, 11)
    return {"XLA_FLAGS": FASTER} if free else {}
