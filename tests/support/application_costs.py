"""The tables of ``benchmarks/README.md`` that show applications, from their records."""

from support.measured import Rows, record, starred


def of_binarised() -> Rows:
    """Seconds of many runs of the binarised network, beside NumPy."""
    rows = [["many runs of the binarised network", "runs", "seconds", "ratio"]]
    names = {"fit": "`fit`, one call", "loop": "NumPy, a loop", "arrays": "NumPy, all at once"}
    for row in record("binarised")["figures"]:
        cells = [f"{row['lanes']:,}", f"{row['median_s']:.2f}", f"{row['ratio']:.1f}"]
        rows.append([names[row["candidate"]], *cells])
    return rows


def of_scoring() -> Rows:
    """Seconds of sparse optimal scoring, beside dense discriminant analysis."""
    both = ["path, s", "its CV, s"]
    keys = ("path_s", "cv_s", "one_start_path_s", "one_start_cv_s", "lda_s", "lda_cv_s")
    heads = [*both, *(f"one start: {head}" for head in both), "dense, s", "its CV, s"]
    rows = [["data", "samples, features, classes", *heads]]
    for row in record("scoring")["figures"]:
        sizes = ", ".join(f"{row[key]:,}" for key in ("samples", "features", "classes"))
        limits = {f"one_start_{key}": row.get(f"limit_{key}") for key in ("path_s", "cv_s")}
        times = [starred(row[key], limits.get(key), 2) if key in row else "" for key in keys]
        rows.append([f"`{row['data']}`", sizes, *times])
    return rows


def of_beamforming() -> Rows:
    """Seconds of beamforming for many channels in one call, beside conic programs one by one."""
    figures = record("beamforming")["figures"]
    conic = {
        (row["size"], row["job"].partition(",")[0]): row["s_per_channel"]
        for row in figures
        if "cvxpy" in row["job"]
    }
    rows = [["networks", "job", "channels", "seconds", "a channel, ms", "conic, ms", "ratio"]]
    for row in (row for row in figures if "cvxpy" not in row["job"]):
        each = row["s_per_channel"]
        other = conic[row["size"], row["job"].partition(",")[0]]
        times = [f"{row['seconds']:.2f}", f"{1e3 * each:.2f}", f"{1e3 * other:.1f}"]
        rows.append([row["size"], row["job"], f"{row['lanes']}", *times, f"{other / each:.0f}"])
    return rows


def of_beamforming_methods() -> Rows:
    """Total powers of the methods of beamforming, to the best known on the same channels."""
    heads = ["method", "networks", "channels", "to best", "worst", "best in", "pairs"]
    figures = [row for row in record("beamforming_methods")["figures"] if "method" in row]
    rows = [heads]
    for row in figures:
        method, comma, search = row["method"].partition(",")
        ratios = [f"{row[name]:.3f}" for name in ("to_best_mean", "to_best_worst")]
        cells = [row["size"], f"{row['compared']}", *ratios, f"{row['best_in']}"]
        rows.append([f"`{method}`{comma}{search}", *cells, f"{row['pairs_mean']:.1f}"])
    return rows


def of_applications() -> list[Rows]:
    """Every table of applications."""
    return [of_binarised(), of_scoring(), of_beamforming_methods(), of_beamforming()]
