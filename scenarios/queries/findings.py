"""What a comparison has to say beside its figures, gathered while it runs."""

from dataclasses import dataclass, field


@dataclass
class Findings:
    """Sentences for the scenario's record, each once and in order."""

    reasons: list[str] = field(default_factory=list)  # why a part must not be believed
    warnings: list[str] = field(default_factory=list)  # what the reader should know
    wrong: set[tuple[str, str, str]] = field(default_factory=set)  # (statement, parameter class, strategy)

    def add(self, other: "Findings") -> None:
        """Adds all of another's."""
        for sentence in other.reasons:
            self.reason(sentence)
        for sentence in other.warnings:
            self.warning(sentence)
        self.wrong |= other.wrong

    def reason(self, sentence: str) -> None:
        """Adds a reason."""
        if sentence not in self.reasons:
            self.reasons.append(sentence)

    def warning(self, sentence: str) -> None:
        """Adds a warning."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
