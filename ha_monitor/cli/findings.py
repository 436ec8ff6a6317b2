"""One line of `ha-monitor check`: how bad, what was found, what to do."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, ERROR = 0, 1, 2


@dataclass(frozen=True)
class Finding:
    """``level`` is the exit code that it asks for; ``word`` tells ok from note."""

    level: int
    word: str
    what: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.word:<8}{self.what}" + (f"; {self.remedy}" if self.remedy else "")

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return {"level": self.word.lower(), "what": self.what, "remedy": self.remedy}


def ok(what: str) -> Finding:
    """As it should be."""
    return Finding(OK, "ok", what)


def note(what: str) -> Finding:
    """Nothing wrong, worth knowing."""
    return Finding(OK, "note", what)


def warning(what: str, remedy: str) -> Finding:
    """It works, worse than it could."""
    return Finding(WARNING, "warning", what, remedy)


def error(what: str, remedy: str = "") -> Finding:
    """It does not work."""
    return Finding(ERROR, "ERROR", what, remedy)
