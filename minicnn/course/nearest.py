"""The nearest known mistake: whose wrong answers are the student's wrong answers?"""

from __future__ import annotations

from typing import NamedTuple

from .evidence import Evidence, mistaken
from .exercise import Mistake


class Match(NamedTuple):
    """A known mistake, and how many of the wrong answers it explains."""

    mistake: Mistake
    explained: int
    wrong: int
    complete: bool

    @property
    def sentence(self) -> str:
        """What is said to the student."""
        if self.complete:
            return self.mistake.sentence
        return (
            f"Probably among other things: {self.mistake.sentence} (This explains {self.explained} "
            f"of {self.wrong} wrong answers.)"
        )


def nearest_mistake(evidence: Evidence, seed: int) -> Match | None:
    """Return the mistake that gives the student's answers on all cases, or on half of the wrong.

    An error is no answer: where the student's function raises, a mistake explains that only if it
    raises the same there, and gives the student's answers everywhere else.
    """
    best = None
    for mistake in evidence.exercise.mistakes:
        theirs = mistaken(evidence.exercise, mistake, seed)
        pairs = zip(evidence.got, theirs, strict=True)
        alike = [mine.like(other, evidence.exercise.rtol) for mine, other in pairs]
        if all(alike):
            return Match(mistake, len(evidence.wrong), len(evidence.wrong), True)
        values = [i for i in evidence.wrong if alike[i] and evidence.got[i].error is None]
        if 2 * len(values) >= len(evidence.wrong) and (not best or len(values) > best.explained):
            best = Match(mistake, len(values), len(evidence.wrong), False)
    return best
