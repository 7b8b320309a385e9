"""Would more photos help? The accuracy after training on a quarter, on half and on all of them."""

import json
from dataclasses import dataclass
from pathlib import Path

from calor.errors import DataError
from calor.workbench.report.evidence.share import Share
from calor.workbench.run_folder import replacing

CURVE = "learning_curve.json"
"""The file in the run folder."""


@dataclass(frozen=True)
class LearningCurve:
    """The accuracy on the same photos, after training on more and more of the others.

    Attributes:
        sizes: how many were learned from, rising; two at least.
        shares: how many were recognised then.
    """

    sizes: tuple[int, ...]
    shares: tuple[Share, ...]

    @property
    def ranges(self) -> list[tuple[float, float, float]]:
        """Each share and its interval."""
        return [(share.value, share.low, share.high) for share in self.shares]

    @property
    def sentence(self) -> str:
        """What that means."""
        half, whole = self.shares[-2:]
        gain = whole.value - half.value
        last = f"From {self.sizes[-2]:,} to {self.sizes[-1]:,} photos it gained {100 * gain:+.1f} points."
        if whole.low > half.high:
            return f"{last} More photos will help."
        if gain > 0.01:
            return f"{last} More photos probably help, though the ranges overlap."
        return f"{last} More photos of the same kind would bring little."

    def save(self, folder: Path) -> None:
        """Write it into a run folder, from where reports take it."""
        values = {
            "photos": self.sizes,
            "right": [share.right for share in self.shares],
            "of": [share.total for share in self.shares],
        }
        with replacing(folder / CURVE) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_learning_curve(folder: Path) -> LearningCurve | None:
    """What ``save`` wrote; None where there is nothing.

    Raises:
        DataError: the file is damaged.
    """
    file = folder / CURVE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        shares = tuple(Share(right, of) for right, of in zip(values["right"], values["of"], strict=True))
        curve = LearningCurve(tuple(values["photos"]), shares)
        if not 2 <= len(curve.sizes) == len(shares) or not all(low <= high for _, low, high in curve.ranges):
            raise ValueError("there must be two sizes or more, each with its accuracy")
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is damaged ({error}): remove it, or measure anew with --learning-curve.") from None
    return curve
