"""What was measured, for people (a table, a picture) and for programs (JSON)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .workloads import WORKLOADS, named


def table(workload: str, summary: dict[str, dict[str, float]], precision: str = "float32") -> str:
    """Return one workload's table: median, spread, images a second, and ratios to PyTorch."""
    w = named(workload)
    kind = "training step" if w.training else "inference"
    method = w.optimizer[0] if w.training else "no gradient"
    header = (
        f"{'median':>11}{'middle half':>20}{'/ PyTorch':>11}{'images/s':>10}"
        f"{'memory':>11}{'/ PyTorch':>11}"
    )
    lines = [
        f"{w.title}: {kind}, batch {w.batch}, {method}, {precision}",
        f"  {'engine':24}{header}",
    ]
    for engine, v in summary.items():
        spread = f"{v['q1_s'] * 1e3:.3f} to {v['q3_s'] * 1e3:.3f}"
        time, memory = (_ratio(v, f"{kind}_over_pytorch") for kind in ("time", "memory"))
        lines.append(
            f"  {engine:24}{v['median_s'] * 1e3:>8.3f} ms{spread:>20}{time:>11}"
            f"{w.batch / v['median_s']:>10.0f}{v['memory_bytes'] / 2**20:>7.0f} MiB{memory:>11}"
        )
    return "\n".join(lines)


def _ratio(values: dict[str, float], key: str) -> str:
    return f"{values[key]:.2f}" if key in values else "-"


def geometric_mean(results: dict[str, Any]) -> float | None:
    """Return the geometric mean of minicnn's training-step times over PyTorch's."""
    ratios = [
        s["minicnn"]["time_over_pytorch"]
        for name, s in results.items()
        if WORKLOADS[name].training and "time_over_pytorch" in s.get("minicnn", {})
    ]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def save_json(path: str, machine: dict[str, Any], found: dict[str, Any]) -> None:
    """Write everything that was measured."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")


COLOURS = {
    "minicnn": "#2a6f97",
    "minicnn-captured": "#7fb7d6",
    "pytorch-channels-last": "#b0b0b0",
    "dezero": "#d98e3f",
}


def save_plot(path: str, title: str, results: dict[str, Any]) -> None:
    """Draw the ratio of each engine's time to PyTorch's, a group of bars for each row's name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    results = {n: s for n, s in results.items() if "pytorch" in s}
    engines = [e for e in COLOURS if any(e in s for s in results.values())]
    if not engines:
        print("no plot: it shows times over PyTorch's, which were not measured")
        return
    figure = Figure(figsize=(9, 0.62 * len(results) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    thickness = 0.8 / len(engines)
    for i, engine in enumerate(engines):
        rows = [
            (row, s[engine]["time_over_pytorch"])
            for row, s in enumerate(results.values())
            if engine in s
        ]
        places = [row + (i - (len(engines) - 1) / 2) * thickness for row, _ in rows]
        bars = axes.barh(
            places, [r for _, r in rows], thickness * 0.9, label=engine, color=COLOURS[engine]
        )
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # hides the line at 1
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8, bbox=behind)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    axes.set_xscale("log")
    left = min(0.3, *(0.8 * s[e]["time_over_pytorch"] for s in results.values() for e in s))
    axes.set_xlim(left=left)
    ticks = [t for t in (0.1, 0.3, 0.5, 1, 2, 5) if t >= left]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel("time over PyTorch's (left of the line is faster)")
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
