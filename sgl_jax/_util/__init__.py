"""Equipment that knows nothing of sparsity.

- ``typing``: names of the types in signatures;
- ``pytree``: frozen dataclasses as pytrees, and one normalised name per leaf;
- ``levels``: arrays whose entries are integers times one interval, as these integers;
- ``numerics``: arithmetic that several proximal operators share;
- ``xla``: ways to write arithmetic of which XLA makes fewer passes over memory;
- ``docstrings``: first lines and descriptions of parameters, read off docstrings;
- ``timing``: measurement of calls that take turns;
- ``compilation``: options of the compiler, and the choice among them by measurement;
- ``catalogue``: catalogues that follow from the imports of their entries;
- ``sharding``: arrays that are split over devices by their type;
- ``subtrees``: the subtrees of a tree whose leaves are known by path;
- ``narrowing``: arrays that lose positions, and values that narrow themselves;
- ``files``: files and folders that are whole at every moment;
- ``orbax``: leaves of a tree on disk;
- ``safetensors``: arrays in one file of that format;
- ``packages``: the extras to install where a package is missing;
- ``signals``: Ctrl-C and SIGTERM, noted and looked at between steps;
- ``quiet``: loggers of other people's code, silenced;
- ``provenance``: commit, versions and hardware of a result.
"""

__all__: list[str] = []
