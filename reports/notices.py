"""Warnings that say the same of many things, told once with a count."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scenarios.run_records import ScenarioRecord

GAP = "…"

_ALIKE_FROM = 3  # fewer are told one by one
_SHARED_WORDS = 0.5  # of a sentence's words at the same places, from which two sentences say the same


@dataclass(frozen=True)
class Notice:
    """One warning of a scenario, or several that differ in a few words."""

    scenario: str
    text: str  # the words they share, gaps where they differ
    sentences: tuple[str, ...]  # each in full

    @property
    def repeated(self) -> bool:
        """True when it stands for several."""
        return len(self.sentences) > 1

    @property
    def line(self) -> str:
        """For people, in one line."""
        count = f"{len(self.sentences)} times: " if self.repeated else ""
        return f"{self.scenario}: {count}{self.text}"


def notices(records: Iterable[ScenarioRecord]) -> tuple[Notice, ...]:
    """The warnings of a run, in order; the same sentence once, alike ones together."""
    said: dict[str, list[str]] = defaultdict(list)
    for record in records:
        said[record.name if record.arm is None else f"{record.name} ({record.arm})"] += record.warnings
    return tuple(notice for name, warnings in said.items() for notice in _grouped(name, list(dict.fromkeys(warnings))))


def _grouped(scenario: str, sentences: Sequence[str]) -> list[Notice]:
    groups: dict[int, list[list[str]]] = defaultdict(list)  # by number of words
    order: list[list[str]] = []
    for sentence in sentences:
        candidates = groups[len(sentence.split())]
        for group in candidates:
            if _alike(group[0], sentence):
                group.append(sentence)
                break
        else:
            candidates.append([sentence])
            order.append(candidates[-1])
    found = []
    for group in order:
        if len(group) >= _ALIKE_FROM:
            found.append(Notice(scenario, _shared(group), tuple(group)))
        else:
            found += [Notice(scenario, sentence, (sentence,)) for sentence in group]
    return found


def _alike(one: str, other: str) -> bool:
    words = one.split()
    same = sum(left == right for left, right in zip(words, other.split(), strict=True))
    return bool(words) and same >= _SHARED_WORDS * len(words)


def _shared(sentences: Sequence[str]) -> str:
    words: list[str] = []
    for places in zip(*(sentence.split() for sentence in sentences), strict=True):
        word = places[0] if len(set(places)) == 1 else GAP
        if word != GAP or words[-1:] != [GAP]:
            words.append(word)
    return " ".join(words)
