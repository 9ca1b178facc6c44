"""How long the messages of a load run are."""

import math
from random import Random

from scenarios.markers import MARKER_LENGTH
from scenarios.workload import Row

WORKLOAD = {
    "content_characters_median": Row(60, "characters", "guess: chat messages are a sentence"),
    "content_characters_sigma": Row(0.9, "of their logarithm", "guess: a tenth of them exceeds three times the median"),
    "content_characters_max": Row(2000, "characters", "guess: half of what the server accepts"),
}


def content_length(random: Random) -> int:
    """The length of one message: log-normal, and never too short for the marker that times it."""
    median, sigma, longest = (
        float(WORKLOAD[f"content_characters_{name}"].value) for name in ("median", "sigma", "max")
    )
    return round(min(longest, max(MARKER_LENGTH, random.lognormvariate(math.log(median), sigma))))
