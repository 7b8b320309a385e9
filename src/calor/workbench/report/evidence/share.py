"""A measured share, such as an accuracy, with the range in which the true one lies."""

from dataclasses import dataclass

from calor.training.interval import wilson_interval


@dataclass(frozen=True)
class Share:
    """How many of how many.

    >>> accuracy = Share(80, 100)
    >>> f"{accuracy.value:.0%}, {accuracy.low:.0%} to {accuracy.high:.0%}"
    '80%, 71% to 87%'
    """

    right: int
    total: int

    @property
    def value(self) -> float:
        """0 to 1; 0 where there is nothing to count."""
        return self.right / self.total if self.total else 0.0

    @property
    def low(self) -> float:
        """The lower end of Wilson's 95 % interval."""
        return wilson_interval(self.right, self.total)[0]

    @property
    def high(self) -> float:
        """The upper end of Wilson's 95 % interval."""
        return wilson_interval(self.right, self.total)[1]
