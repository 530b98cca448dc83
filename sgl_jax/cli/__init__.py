"""The command line, ``sgl-jax``.

In the order in which data flow:

- ``_main``: the entry point, which parses the options and turns errors into sentences;
- ``_commands``: a function per command, whose parameters are the options;
- ``_given``: the options of trainings as they are typed, without those that were not given: the
  fields of :class:`sgl_jax.runs.config.Config`;
- ``_names``: the names of run folders;
- ``_catalogues``: the names to choose from, and their parameters, as tables;
- ``_progress``: bars, or lines in a log, while a run lasts;
- ``_events``: the results of every epoch for TensorBoard;
- ``_tables``: runs, costs and compactions as tables;
- ``_figures``, ``_course``: the figure of a run, and figures of several side by side;
- ``_grid``, ``_page``: a table as cells, and a self-contained page with figures and tables;
- ``_summaries``: many runs as tables, for terminals, pages, papers and programs;
- ``_fronts``, ``_methods``: figures of many runs, and of one run of each method;
- ``_sweep``, ``_report``: a grid of runs is trained, and tables and figures are made of it;
- ``_train``: a sparse network is trained beside its dense twin, and compared with it;
- ``_demo``: three trainings on digits, and the page that tells what happened.
"""

from sgl_jax.cli._main import main as main


__all__ = ["main"]
