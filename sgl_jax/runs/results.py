"""The result of a finished run, as a line of JSON that outlives its folder."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sgl_jax.compaction import Report, Size
from sgl_jax.metrics import Storage
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.records import Record


__all__ = ["Result", "name_method", "name_source", "read_result"]


class Result(NamedTuple):
    """The result of a finished run.

    Attributes:
      run: name of the run.
      method: name of the method that its figures are collected under.
      about: its config, the strengths in force, commit, versions and hardware, as its folder has
        them.
      seconds: seconds of all its epochs.
      last: the record of the last epoch.
      before: size of the network; ``None`` if it cannot be compacted.
      after: size without its dead channels, likewise.
      group: group of the method, such as ``paper`` or ``ours``; empty for none.
      storage: storage of a network with weights on levels; ``None`` for another.
    """

    run: str
    method: str
    about: dict[str, Any]
    seconds: float
    last: Record
    before: Size | None = None
    after: Size | None = None
    group: str = ""
    storage: Storage | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The config of the run, as JSON's types."""
        return self.about["config"]

    def to_json(self) -> dict[str, Any]:
        """Converts the result to JSON's own types."""
        found = {"run": self.run, "method": self.method, "group": self.group, **self.about}
        found |= {"seconds": round(self.seconds), "last": self.last.to_json()}
        if self.storage is not None:
            found["storage"] = self.storage.to_json()
        if self.before is None or self.after is None:
            return found
        return found | {"compact": {"before": asdict(self.before), "after": asdict(self.after)}}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Result":
        """Inverts :meth:`to_json`, and reads records that name no method.

        Raises:
          KeyError: a part is missing.
        """
        config, compact = found["config"], found.get("compact", {})
        sizes = {name: Size(**compact[name]) for name in ("before", "after") if compact}
        stored = found.get("storage")
        parts = {"run", "method", "group", "seconds", "last", "compact", "storage", "twin"}
        return cls(
            found["run"],
            found.get("method", name_method(config)),
            {name: value for name, value in found.items() if name not in parts},
            found["seconds"],
            Record.from_json(found["last"]),
            group=found.get("group", ""),
            storage=None if stored is None else Storage.from_json(stored),
            **sizes,
        )


def name_method(config: Mapping[str, Any]) -> str:
    """Names a method by its algorithm and what makes its zeros.

    Args:
      config: the config of a run, which may be one of an older version.
    """
    return "dense" if config["dense"] else f"{config['algorithm']} {name_source(config)}"


def name_source(config: Mapping[str, Any]) -> str:
    """Names what makes the zeros: a reparametrization, or the penalty.

    Args:
      config: the config of a run, which may be one of an older version.
    """
    drawn = config.get("reparametrization", "none")
    return config["penalty"] if drawn == "none" else drawn


def read_result(
    folders: Sequence[RunFolder],
    name: str,
    method: str,
    group: str = "",
    report: Report | None = None,
    storage: Storage | None = None,
) -> Result:
    """Reads the result of a finished run from its folder, or from those of its stages.

    Args:
      folders: the run folders; the last has the trained network.
      name: name of the run.
      method: name of its method.
      group: group of the method.
      report: report of the compaction of its network, if there was one.
      storage: storage of its network, if it has weights on levels.

    Raises:
      OSError: there is no run.
    """
    about = json.loads((folders[-1].path / "config.json").read_text(encoding="utf-8"))
    about["config"].pop("data_root")  # a matter of the machine
    timings = [(each.path / "timing.jsonl").read_text(encoding="utf-8") for each in folders]
    lines = [json.loads(line) for text in timings for line in text.splitlines()]
    seconds = math.fsum(line["seconds"] for line in lines)
    about["config"]["epochs"] = len(lines)
    before, after = (None, None) if report is None else (report.before, report.after)
    last = folders[-1].read_records()[-1]
    return Result(name, method, about, seconds, last, before, after, group, storage)
