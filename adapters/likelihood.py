"""What an outcome head reads of a reply beside the hidden state: how likely its own model held it to be."""

from collections.abc import Sequence

LIKELIHOODS = 2


def likelihoods(log_probs: Sequence[float]) -> tuple[float, float]:
    """The log-probability (nats) of a whole reply, and the mean of its tokens.

    `log_probs` are those of each token that was written, the end among them where it was said, under the model's own
    distribution: at temperature 1, without penalties, and without what a schema forbids.
    """
    whole = sum(log_probs)
    return whole, whole / len(log_probs)
