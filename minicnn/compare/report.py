"""What a comparison found, as text for people and as JSON for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .agreement import Agreement, Difference, Recording
from .causes import likely_cause, place


class Report(NamedTuple):
    """The result of `compare`.

    Attributes:
        agree: whether the runs agree, up to rounding.
        double: whether the script was made to compute in float64.
        agreement: steps, tensors and the first difference of the run that decided.
        rounding: the first difference in float32 which was not there in float64, or None.
    """

    script: Path
    agree: bool
    double: bool
    agreement: Agreement
    cause: str | None
    versions: dict[str, str]
    rounding: Difference | None
    note: str

    def text(self) -> str:
        """Return the report for people."""
        ours, theirs = self.versions["minicnn"], self.versions["PyTorch"]
        kind = "float64" if self.double else "as written"
        lines = [f"{self.script}: minicnn {ours} beside PyTorch {theirs}, {kind}"]
        lines += [_step(step) for step in self.agreement.steps]
        difference = self.agreement.difference
        if difference is not None:
            lines += ["", f"differs: {_described(difference)}"]
            if self.cause:
                lines.append(f"likely cause: {self.cause}")
        else:
            count = sum(step["loss"] is not None for step in self.agreement.steps)
            lines += ["", f"agrees: {count} steps, {self.agreement.tensors} tensors"]
        if self.rounding is not None and self.rounding.gap is not None:
            gap = self.rounding.gap
            lines.append(
                f"only rounding: in float32 the first to be more than {self.rounding.limit:.0e} "
                f"apart was {place(self.rounding.event)} ({gap.size:.1e}); in float64, above, "
                "nothing is. Training amplifies rounding from step to step."
            )
        return "\n".join([*lines, *filter(None, [self.note])])

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        difference = self.agreement.difference
        return {
            "script": str(self.script),
            "agree": self.agree,
            "double": self.double,
            "versions": self.versions,
            "steps": self.agreement.steps,
            "tensors": self.agreement.tensors,
            "difference": difference and _as_dict(difference),
            "likely_cause": self.cause,
            "rounding": self.rounding and _as_dict(self.rounding),
            "note": self.note,
        }


def _step(step: dict[str, Any]) -> str:
    if step["loss"] is None:
        what = "without a loss" if step["step"] == 1 else "after the last step"
    else:
        what = f"step {step['step']:3d}  loss {step['loss']:.8g}"
    return f"  {what}  largest difference {step['gap']:.1e}"


def _described(difference: Difference) -> str:
    lines = [place(difference.event)]
    gap = difference.gap
    if gap is None:
        lines[0] += f": {difference.said}"
    else:
        lines.append(
            f"  largest difference {gap.largest:.3g} at {gap.where}: {gap.ours:.9g} in minicnn, "
            f"{gap.theirs:.9g} in PyTorch"
        )
        lines.append(
            f"  that is {gap.size:.1e} of the largest element (allowed {difference.limit:.0e}); "
            f"{gap.share:.1%} of the elements differ by more"
        )
    if difference.before is not None:
        lines.append(f"  the last to agree: {place(difference.before)}")
    return "\n".join(lines)


def _as_dict(difference: Difference) -> dict[str, Any]:
    event, gap = difference.event, difference.gap
    return {
        "where": place(event),
        **{key: event[key] for key in ("step", "kind", "name", "number", "about")},
        "why": difference.why,
        "said": difference.said,
        "gap": gap and gap._asdict(),
        "limit": difference.limit,
        "last_to_agree": difference.before and place(difference.before),
    }


def report_of(
    script: Path, double: bool, agreement: Agreement, recordings: tuple[Recording, Recording]
) -> Report:
    """Return the report on one pair of runs."""
    ours, theirs = recordings
    difference = agreement.difference
    cause = likely_cause(difference, ours, theirs) if difference is not None else None
    versions = {r.result["library"]: r.result["version"] for r in recordings}
    return Report(script, difference is None, double, agreement, cause, versions, None, "")
