"""The tables of ``benchmarks/README.md``, from the records in ``benchmarks/results``."""

from collections.abc import Iterable
from typing import Any

from support.application_costs import of_applications
from support.measured import RESULTS, Record, Rows, record, starred
from support.trainings import of_trainings


NETWORKS = {"resnet56_projection": "ResNet-56", "wrn28_10": "WRN-28-10", "vgg16": "VGG-16"}


def selected(figures: Iterable[Record], **values: Any) -> list[Record]:
    """The figures that have these values."""
    return [row for row in figures if all(row.get(key) == value for key, value in values.items())]


def of_records() -> Rows:
    """Where each record was measured, and of which commits."""
    commits: dict[tuple[str, ...], list[str]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        for run in record(path.stem).get("runs", [record(path.stem)]):
            device = run["device"].removeprefix("gpu: ").replace("cpu: cpu", "")
            host = f"{run['cores']} core{'s' * (run['cores'] > 1)} of an {run['processor']}"
            where = f"`{path.stem}`", ", ".join(filter(None, [device, host])), run["python"]
            found = commits.setdefault((*where, run["versions"]["jax"]), [])
            found += [run["commit"]] * (run["commit"] not in found)
    body = [[*where, ", ".join(found)] for where, found in commits.items()]
    return [["record", "measured on", "Python", "jax", "commit"], *body]


def of_trees(name: str, candidate: str, figure: str, limit: str, digits: int) -> str:
    """The figures of a candidate of a step, one for each tree of parameters."""
    rows = selected(record(name)["figures"], candidate=candidate)
    return " / ".join(starred(row[figure], row[limit], digits) for row in rows)


def candidates(name: str) -> list[str]:
    """The candidates of a record of steps, Adam apart."""
    found = dict.fromkeys(row["candidate"] for row in record(name)["figures"])
    return [candidate for candidate in found if candidate != "adam"]


FORMS = {
    "splitting {}": "`splitting`, copy with sparse groups",
    "prox_adam {}": "`prox_adam`, entries",
    "prox_adam {} sparse groups": "`prox_adam`, sparse groups",
}
"""The candidates of each penalty, and the heads of their columns."""


def penalties() -> list[str]:
    """The penalties whose steps were timed."""
    return sorted(name.split()[1] for name in candidates("step") if name.startswith("splitting "))


def of_penalties() -> Rows:
    """The times of steps with each penalty, as ratios to Adam."""

    def cells(penalty):
        names = (form.format(penalty) for form in FORMS)
        return [of_trees("step", name, "ratio", "limit", 1) for name in names]

    body = [[f"`{penalty}`", *cells(penalty)] for penalty in penalties()]
    return [["penalty", *FORMS.values()], *body]


def of_algorithms() -> Rows:
    """Times and memory of the steps of the other algorithms, as ratios to Adam."""
    shown = {form.format(penalty) for form in FORMS for penalty in penalties()}
    rows = [["algorithm", "time", "memory"]]
    for name in candidates("step"):
        if name not in shown:
            time = of_trees("step", name, "ratio", "limit", 1)
            memory = of_trees("step", name, "memory_in_turn", "memory_limit", 2)
            rows.append([f"`{name}`", time, memory])
    return rows


def of_steps_on_a_gpu() -> Rows:
    """Times of steps within a scan on a GPU, as ratios to Adam."""
    rows = [["step on an H200", "LeNet-5", "WRN-28-10"]]
    for name in candidates("step_h200"):
        figures = selected(record("step_h200")["figures"], candidate=name)
        ratios = {row["tree"]: starred(row["ratio"], row["limit"], 2) for row in figures}
        rows.append([f"`{name}`", *(ratios.get(tree, "") for tree in ("lenet5", "wrn28_10"))])
    return rows


def of_training() -> Rows:
    """Times of whole steps of LeNet-5, forward and backward included."""
    rows = [["whole step of LeNet-5", "ms", "to Adam", "to PyTorch"]]
    for row in record("train")["figures"]:
        if "to_adam" in row:
            ratios = [f"{row['to_adam']:.2f}", f"{row['to_torch']:.2f}"]
            rows.append([f"`{row['candidate']}`", f"{row['median_ms']:.1f}", *ratios])
    return rows


def of_prox() -> Rows:
    """Times of proximal operators in copies of the array."""
    forms = {"entry": "entries", "group": "filters", "sparse group": "entries and filters, exactly"}
    costs: dict[str, dict[str, str]] = {}
    for row in selected(record("prox")["figures"], library="sgl_jax"):
        cell = starred(row["to_copy"], row["limit"], 1)
        costs.setdefault(row["operator"], {})[row["form"]] = cell
    del costs["copy"]
    body = [[f"`{name}`", *(cost.get(form, "") for form in forms)] for name, cost in costs.items()]
    return [["penalty", *forms.values()], *body]


def of_peers() -> Rows:
    """Times of the same operators in other libraries, in copies of the array."""
    figures = record("prox")["figures"]
    forms = {"entry": "entries", "group": "filters", "sparse group": "entries and filters"}
    libraries = [
        "sgl_jax",
        *dict.fromkeys(r["library"] for r in figures if r["library"] != "sgl_jax"),
    ]
    pairs = {(row["operator"], row["form"]): None for row in figures if row["library"] != "sgl_jax"}
    rows = [["operator", *libraries]]
    for operator, form in sorted(pairs, key=lambda pair: (pair[0], [*forms].index(pair[1]))):
        found = selected(figures, operator=operator, form=form)
        costs = {row["library"]: f"{row['to_copy']:.1f}" for row in found}
        rows.append([f"{operator}, {forms[form]}", *(costs.get(name, "") for name in libraries)])
    return rows


def of_phases() -> Rows:
    """Seconds of the phases of compaction, beside Torch-Pruning."""
    rows = [["network", "tracing and graph", "all but the check", "the check", "Torch-Pruning"]]
    figures = [row for row in record("compact")["figures"] if "first_s" in row]
    for network in dict.fromkeys(row["network"] for row in figures):
        ours, theirs = selected(figures, network=network)
        parts = [(ours, ["tracing", "graph"]), (ours, ["all but check"]), (ours, ["check"])]
        rows.append([NETWORKS[network]])
        for row, phases in [*parts, (theirs, ["all"])]:
            calls = (row["first_s"], row["median_s"])
            seconds = (f"{sum(call[phase] for phase in phases):.2f}" for call in calls)
            rows[-1].append(" / ".join(seconds))
    return rows


def of_latencies(name: str, device: str) -> Rows:
    """Milliseconds of a call before and after compaction."""
    rows = [
        [f"network on {device}", "batch", "dense", "half of the channels gone", "nine tenths gone"]
    ]
    figures = [row for row in record(name)["figures"] if "candidate" in row]
    for network, batch in dict.fromkeys((row["network"], row["batch_size"]) for row in figures):
        found = selected(figures, network=network, batch_size=batch)
        (dense,) = selected(found, candidate="dense")
        cells = [f"{dense['median_ms']:,.2f}"]
        for dead in (0.5, 0.9):
            (row,) = selected(found, candidate="compact", dead=dead)
            cells.append(f"{row['median_ms']:,.2f} ({row['to_hand']:.2f})")
        rows.append([NETWORKS[network], f"{batch}", *cells])
    return rows


def of_convolutions() -> Rows:
    """Times of the models' convolution, as ratios to the library's own, by compiler options."""
    figures = selected(record("conv")["figures"], part="convolution")
    options = list(dict.fromkeys(row["options"] for row in figures))
    rows: dict[str, list[str]] = {}
    for row in figures:
        shapes = (" x ".join(map(str, row[name])) for name in ("images", "kernel"))
        times, chosen = row["milliseconds"], f"{row['chosen']}"
        cells = rows.setdefault(", ".join(shapes), [chosen])
        cells.append(f"{times[chosen] / times['1']:.2f}")
    heads = ["images, kernel", "pixels at once", *options]
    return [heads, *([name, *cells] for name, cells in rows.items())]


def of_many() -> Rows:
    """Throughput of many trainings at once."""
    rows = [["trained on an H200", "runs", "seconds of an epoch", "images per second"]]
    for row in record("many_h200")["figures"]:
        speed = f"{row['images_per_s']:,}"
        rows.append([row["candidate"], f"{row['lanes']}", f"{row['epoch_s']:.2f}", speed])
    return rows


def of_many_on_a_cpu() -> Rows:
    """Seconds of many trainings at once on a CPU."""
    rows = [["trained on two cores", "runs", "seconds", "ratio"]]
    for row in record("many")["figures"]:
        cells = [f"{row['lanes']}", f"{row['median_s']:.2f}", f"{row['ratio']:.2f}"]
        rows.append([row["candidate"], *cells])
    return rows


def of_networks() -> Rows:
    """Milliseconds of a step by compiler options, and as ratios to PyTorch's."""
    figures = record("networks")["figures"]
    heads = ["a step on two cores", "candidate", "ms", "to PyTorch"]
    return [heads] + [
        [row["network"], row["candidate"], f"{row['median_ms']:,.0f}", f"{row['to_torch'] or ''}"]
        for row in figures
    ]


def of_costs() -> list[Rows]:
    """Every table of the page, its head first."""
    return [
        of_records(),
        of_penalties(),
        of_algorithms(),
        of_steps_on_a_gpu(),
        of_training(),
        of_prox(),
        of_peers(),
        of_phases(),
        of_latencies("compact", "two cores"),
        of_latencies("compact_h200", "an H200"),
        of_convolutions(),
        of_many(),
        of_many_on_a_cpu(),
        of_networks(),
        *of_applications(),
        *of_trainings(),
    ]
