"""What an upgrade did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Collected while the release is merged."""

    changes: list[str] = field(default_factory=list)
    """What was migrated, a line each."""
    conflicts: dict[str, str] = field(default_factory=dict)
    """Path: what a person has to do there."""
    reviews: list[str] = field(default_factory=list)
    """Files that both sides changed and that git merged: names that an edit uses may have changed around it."""

    def change(self, path: str, what: str) -> None:
        """A migration that needs nobody."""
        self.changes.append(f"{path}: {what}")

    def conflict(self, path: str, what: str) -> None:
        """Something only a person can decide; several of one path are joined."""
        self.conflicts[path] = f"{self.conflicts[path]}; {what}" if path in self.conflicts else what

    def lines(self) -> list[str]:
        """For a terminal: changes first, then what to look at, conflicts last."""
        conflicts = [f"CONFLICT {path}: {what}" for path, what in sorted(self.conflicts.items())]
        reviews = [f"REVIEW {path}: both sides changed it, and git merged it" for path in self.reviews]
        return [*self.changes, *reviews, *conflicts]
