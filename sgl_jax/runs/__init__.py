"""Training runs: from the words of a config to objects, to records, to a folder that goes on.

In the order in which data flow:

- ``_lookup``, ``optimizers``, ``_groupings``: names and import paths; catalogues of base
  optimizers, schedules and groupings;
- ``parts``, ``_settings``: the factories that options name, and the parameters of each;
- ``_ranges``, ``_constraint_options``: the ranges of options; the bits of levels, and targets that
  a constraint holds by itself;
- ``_needs``: the options that have no effect beside the others, which are refused;
- ``config``: :class:`~.config.Config`, everything that a result depends on, as words and numbers;
- ``option_files``: files with options, in TOML;
- ``launch``: the devices, in one process or in several;
- ``_constraining``: the shape of a penalty, and the leaves that a constraint takes;
- ``_data``, ``_builders``: where words become objects: images; network, groups, optimizer;
- ``_initial``, ``_pytorch``: weights to start from, in several formats, those of PyTorch converted;
- ``records``: the record of an epoch, to and from JSON;
- ``_run``: a run's objects, state and records, and what is read off them;
- ``_reparametrizing``: runs that train the parameters that their weights are drawn from;
- ``_budgeting``, ``_finishing``, ``_shrinking``: what may happen between two epochs: a strength
  that follows a budget, the end on a fixed support, and dead channels that leave;
- ``_stages``: the order of these, and how a folder finds its way back into them;
- ``_epoch``: the end of an epoch, which is measured;
- ``experiment``: the objects made ready, and trained in memory, a record per epoch;
- ``lanes``: many runs trained by one program;
- ``_folders``: the treatment of a folder that is there, and errors that folders share;
- ``_config_file``, ``_checkpoint``, ``_plan_files``: the ``config.json``, the ``checkpoints/`` and
  the ``shrinks/`` of a run folder;
- ``folder``: :class:`~.folder.RunFolder`, a run on disk, which goes on after any interruption;
- ``costs``: error, size and latency of a network, with its dead channels and without;
- ``compaction``: the ``compact/`` of a run folder, made once a run is finished;
- ``archives``: networks in archives, tested on images;
- ``results``: the result of a finished run, which outlives its folder;
- ``recipes``: runs in stages, each of which begins with the weights of the one before;
- ``sweeps``: many runs that are compared, and means over their seeds.

Nothing is imported here: say ``from sgl_jax.runs.folder import RunFolder``.
"""

__all__: list[str] = []
