"""What an outcome head reads of a reply beside the hidden state: how likely its own model held it to be."""

import math
from collections.abc import Sequence

LIKELIHOODS = 2


def likelihoods(log_probs: Sequence[float]) -> tuple[float, float]:
    """The probability of a whole reply, and the geometric mean of its tokens' probabilities.

    `log_probs` (nats) are those of each token that was written, the end among them where it was said, under the model's
    own distribution: at temperature 1, without penalties, and without what a schema forbids. They are not read as
    logarithms, in which what training has made all but impossible is further from the unlikely than that from the sure.
    """
    whole = sum(log_probs)
    return math.e**whole, math.e ** (whole / len(log_probs))
