"""Event files: the epochs of a run for TensorBoard to show."""

import contextlib
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from sgl_jax._util.packages import name_extra
from sgl_jax.runs.folder import make_write_error
from sgl_jax.runs.records import Record
from sgl_jax.train.processes import run_on_first


__all__ = ["list_points", "open_events"]

NAME = "events.out.tfevents"
"""The beginning of the names of event files; TensorBoard asks for its last part."""

VERSION = "brain.Event:2"
"""The version of the format, with which a file of events has to begin."""


@contextlib.contextmanager
def open_events(run: Path) -> Generator[Callable[[Record], None], None, None]:
    """Opens the event file of a run, in its subfolder ``tensorboard``.

    The file is made with the first record, and older ones are emptied; so the records of a run that
    goes on have to come again, from its first epoch on, and no point is there twice.

    Args:
      run: path of the run folder, which need not exist before the first record.

    Yields:
      The function that writes the points of an epoch. It raises ``OSError`` if the folder cannot
      be written.

    Raises:
      ImportError: tensorboardX is not installed.
    """
    with name_extra("Event files need tensorboardX", "tensorboard"):
        import tensorboardX  # noqa: F401

    with contextlib.closing(_EventFile(run)) as file:
        yield lambda record: run_on_first(partial(file.write, record))


class _EventFile:
    """An event file that is made with its first record.

    Args:
      run: path of the run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._writer: Any = None

    def write(self, record: Record) -> None:
        """Writes the points of an epoch."""
        from tensorboardX.summary import scalar

        try:
            writer = self._writer or self._start()
            for tag, value in list_points(record).items():
                _append(writer, step=record.epoch, summary=scalar(tag, value))
            writer.flush()
        except OSError as error:
            raise make_write_error(self._run, error) from error

    def close(self) -> None:
        """Closes the file; every epoch is on disk by then, or an error has been raised."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()

    def _start(self) -> Any:
        """Makes the file; its first events make a TensorBoard that is open forget older points."""
        from tensorboardX.proto.event_pb2 import SessionLog
        from tensorboardX.record_writer import RecordWriter

        folder = self._run / "tensorboard"
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"{NAME}.*"):
            path.write_bytes(b"")  # an open TensorBoard goes on from it, but not from a missing one
        self._writer = writer = RecordWriter(str(folder.resolve() / f"{NAME}.{time.time():.0f}"))
        _append(writer, file_version=VERSION)
        _append(writer, step=1, session_log=SessionLog(status=SessionLog.START))
        return writer


def _append(writer: Any, **content: Any) -> None:
    """Appends an event to a file."""
    from tensorboardX.proto.event_pb2 import Event

    writer.write(Event(wall_time=time.time(), **content).SerializeToString())


def list_points(record: Record) -> dict[str, float]:
    """Lists the numbers of an epoch by their tag.

    Args:
      record: the record of the epoch.
    """
    budget = record.budget or {}
    return {
        "loss/train": record.loss,
        "loss/test": record.test_loss,
        "error/weights": record.error,
        "error/sparse": record.sparse_error,
        "gap": record.gap,
        **{f"zeros/{name}": float(x) for name, x in record.sparsity._asdict().items()},
        **{f"zeros_of_weights/{name}": float(x) for name, x in record.w_sparsity._asdict().items()},
        **{f"live_groups/{path}": layer.live for path, layer in record.layers.items()},
        **{f"kept_weights/{path}": layer.kept for path, layer in record.layers.items()},
        **{f"budget/{name}": budget[name] for name in ("measured", "allowed") if name in budget},
    }
