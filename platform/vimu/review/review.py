"""One review: a run's clips, what speaks against them, and the book of decisions."""

from dataclasses import dataclass
from pathlib import Path

from vimu.clips.decisions import Decision
from vimu.review.book import Book, Change
from vimu.review.catalogue import Catalogue
from vimu.review.scoring import Scoring
from vimu.review.takes import Takes
from vimu.runtime.errors import UserError
from vimu.runtime.storage import Location


@dataclass(frozen=True)
class Review:
    """What the page shows and changes."""

    catalogue: Catalogue
    takes: Takes
    doubts: Scoring
    book: Book
    by: str
    """Who decides."""

    def decide(self, decision: Decision) -> Change:
        """Write a decision. Raises UserError: it is wrong, or its take lies in several files."""
        if (decision.archive, decision.sequence) in self.catalogue.ambiguous:
            raise UserError(f"`{decision.sequence}` must lie in one file to be decided about, but lies in several.")
        if decision.decision == "relabel" and self.catalogue.categories is None:
            raise UserError("`target` of the run must be `category` for a relabel, but labels are the archive's names.")
        return self.book.decide(decision)


def open_review(run: Location, *, decisions: Path | None, by: str) -> Review:
    """A review of a run, its scores begun.

    Args:
        decisions: the file; None is `decisions.csv` in the run's folder.

    Raises:
        UserError: the run has no clips, or of an earlier version; `decisions` or `by` is wrong.
    """
    if not by.strip() or "\n" in by or "\r" in by:
        raise UserError(f"`--by` must be a name on one line, but is `{by}`.")
    catalogue = Catalogue(run)
    book = Book(decisions or catalogue.default_decisions(), catalogue.categories)
    takes = Takes(catalogue)
    return Review(catalogue, takes, Scoring(catalogue, takes.placements), book, by.strip())
