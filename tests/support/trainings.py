"""The tables of ``benchmarks/README.md`` that show trainings, from the records of their runs."""

from sgl_jax.metrics import Storage
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import Summary, find_dominated, summarize
from support.measured import Record, Rows, record


def of_mnist() -> Rows:
    """Errors and zeros of LeNet-5 on MNIST."""
    heads = ["run", "seed", "error of w", "zeros of w", "zeros under 1e-5"]
    rows = [[*heads, "error of the sparse form", "its zeros", "its zero groups"]]
    for run in record("mnist")["runs"]:
        last, config = run["last"], run["config"]
        weights, sparse = last["w_sparsity"], last["sparsity"]
        shares = [weights["weights"], weights["weights_paper"]]
        rows.append(
            [
                f"`{config['algorithm']}`, `{config['penalty']}`",
                f"{config['seed']}",
                f"{last['error']:.2%}",
                *(f"{share:.1%}" for share in shares),
                f"{last['sparse_error']:.2%}",
                *(f"{sparse[kind]:.1%}" for kind in ("weights", "neurons")),
            ]
        )
    return rows


def of_methods() -> Rows:
    """Errors and zeros of every method on MNIST, and what dominates the points of the paper's."""
    points = summarize(map(Result.from_json, record("mnist_methods")["runs"]))
    paper, ours = ([each for each in points if each.group == name] for name in ("paper", "ours"))
    better = {id(one): best for one, best in find_dominated(paper, ours)}
    heads = ["method", "`--lam`", "seeds", "error", "weights", "groups", "FLOPs left"]
    return [[*heads, "dominated by"]] + [
        [*describe(point), describe_better(better[id(point)]) if id(point) in better else ""]
        for point in points
    ]


def describe(point: Summary) -> list[str]:
    """The figures of a method at one strength: the zeros of its trained weights, by 1e-5."""
    lam, figures = point.results[0].config["lam"], point.figures
    shares = [figures[name].mean for name in ("weights_paper", "groups_paper", "flops")]
    numbers = [f"{lam:g}", f"{point.seeds}", f"{figures['error'].mean:.2%}"]
    return [point.method, *numbers, *(f"{share:.1%}" for share in shares)]


def describe_better(best: Summary | None) -> str:
    """The point that dominates another one."""
    return "none" if best is None else f"{best.method}, {best.results[0].config['lam']:g}"


def of_channels() -> Rows:
    """Sizes and errors of LeNet-5 on MNIST with a penalty on its channels."""
    rows = [["`--group-lam`", "epochs", "seed", "units", "FLOPs", "parameters", "test error"]]
    for run in record("mnist_channels")["runs"]:
        config, before, after = run["config"], run["compact"]["before"], run["compact"]["after"]
        shapes = run["compact"]["shapes"]
        units = ", ".join(f"{shapes[f'0/{layer}/bias'][0]}" for layer in ("conv1", "conv2", "fc1"))
        sizes = [
            f"{after[size]:,} ({after[size] / before[size]:.1%})"
            for size in ("flops", "parameters")
        ]
        numbers = [f"{config[name]}" for name in ("group_lam", "epochs", "seed")]
        rows.append([*numbers, units, *sizes, f"{run['last']['error']:.2%}"])
    return rows


TARGETS = {"target_flops": "FLOPs", "target_params": "parameters", "target_sparsity": "zeros"}


def target_of(config: Record) -> str:
    """The target of a run, in words."""
    (name,) = (name for name in TARGETS if config[name] is not None)
    return f"{config[name]:.0%} {TARGETS[name]}"


def of_budgets() -> Rows:
    """Sizes, errors and seconds of LeNet-5 with a target for its size."""
    heads = ["data", "target", "shrinks", "epochs", "seed", "FLOPs", "parameters", "zeros"]
    rows = [[*heads, "test error, dense", "seconds, dense"]]
    for run in record("mnist_budgets")["runs"]:
        config, sizes = run["config"], run["compact"]
        shares = [sizes["after"][size] / sizes["before"][size] for size in ("flops", "parameters")]
        both = [run, run["twin"]] if "twin" in run else []  # trained one after the other
        rows.append(
            [
                f"`{config['data']}`",
                target_of(config),
                "no" if config["shrink_at"] is None else "yes",
                *(f"{config[name]}" for name in ("epochs", "seed")),
                *(f"{share:.1%}" for share in (*shares, run["last"]["sparsity"]["weights"])),
                ", ".join(f"{end['last']['error']:.2%}" for end in both or [run]),
                ", ".join(f"{end['seconds']}" for end in both),
            ]
        )
    return rows


def of_levels() -> Rows:
    """Errors and sizes of LeNet-5 on MNIST, pruned and on levels by the stages of ADMM-NN."""
    heads = ["zeros asked for", "bits", "seed", "error, pruned", "error, on levels", "weights"]
    rows = [[*heads, "those left", "their data", "with indices", "file", "error of the file"]]
    runs = {run["run"]: run for run in record("mnist_levels")["runs"]}
    for name in dict.fromkeys(name.partition("/")[0] for name in runs):
        full, pruned, run = (runs[f"{name}/{end}"] for end in ("4-full", "5-retrained", "7-fixed"))
        found = Storage.from_json(run["storage"])
        before = sum(layer["kept"] for layer in full["last"]["layers"].values())
        rates = found._replace(kept_before=before).rates.values()
        sizes = [before, found.kept]
        sizes += [found.data_bits // 8, found.indexed_bits // 8, found.file_bytes]
        rows.append(
            [
                f"{pruned['config']['target_sparsity']:.2%}",
                ", ".join(run["config"]["bits"]),
                f"{run['config']['seed']}",
                *(f"{each['last']['error']:.2%}" for each in (pruned, run)),
                *(f"{size:,} ({rate:,.0f}x)" for size, rate in zip(sizes, rates, strict=True)),
                f"{run['archive']['error']:.2%}",
            ]
        )
    return rows


def of_trainings() -> list[Rows]:
    """Every table of trainings, in the order of the page."""
    return [of_mnist(), of_methods(), of_channels(), of_budgets(), of_levels()]
