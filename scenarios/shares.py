"""One progress bar for a run of several parts, cut by how long each usually takes."""

from collections.abc import Mapping

from fixtures.progress import Progress


class Shares:
    """Progress of parts, told as shares of the whole."""

    def __init__(self, expected_seconds: Mapping[str, float], progress: Progress) -> None:
        self._expected_seconds = dict(expected_seconds)  # in the order in which the parts run
        self._progress = progress

    def of(self, part: str) -> Progress:
        """The progress of one part; its 0 to 1 becomes the part's place on the bar."""
        total = sum(self._expected_seconds.values())
        names = list(self._expected_seconds)
        before = sum(self._expected_seconds[name] for name in names[: names.index(part)]) / total
        share_of_part = self._expected_seconds[part] / total
        return lambda step, share: self._progress(step, before + share * share_of_part)
