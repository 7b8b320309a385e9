"""All evidence of a report, gathered in one reading of the photos."""

from collections.abc import Callable
from dataclasses import dataclass

from calor.workbench.classify import Classifier
from calor.workbench.report.evidence.abstention import Abstention, abstain
from calor.workbench.report.evidence.attention import AttentionMap, attend, choose
from calor.workbench.report.evidence.baselines import Headline, compare
from calor.workbench.report.evidence.calibration import Calibration, calibrate
from calor.workbench.report.evidence.cheating import Trial, changes, trials
from calor.workbench.report.evidence.confusion import Confusion, confuse
from calor.workbench.report.evidence.mistakes import Mistake, find_mistakes
from calor.workbench.report.evidence.outputs import Outputs, observe
from calor.workbench.report.evidence.photos import Photos


@dataclass(frozen=True)
class Evidence:
    """What is known of a network after it was shown photos that it never learned from.

    Attributes:
        outputs: what it says of each.
        headline: its accuracy, beside simple methods.
        confusion: what is taken for what, and each class's figures.
        mistakes: all of them, those with suspect labels first.
        calibration: whether it is as sure as it should be; None where there are too few photos.
        abstention: a threshold for 'I don't know'; None where there are too few photos or mistakes.
        trials: its accuracy on changed photos; none where it learned nothing.
        attention: what it looks at on some photos.
    """

    outputs: Outputs
    headline: Headline
    confusion: Confusion
    mistakes: list[Mistake]
    calibration: Calibration | None
    abstention: Abstention | None
    trials: list[Trial]
    attention: list[AttentionMap]


def gather(
    classifier: Classifier,
    validation: Photos,
    training: Photos | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Evidence:
    """Show the network its photos, and compute all that the report tells.

    Args:
        classifier: the network.
        validation: photos that it never learned from.
        training: photos that it learned from, for the simple methods to do the same; None: without these.
        seed: of what is drawn at random: halves, and examples where there are very many.
        progress: told how many photos are done, and how many there are.

    Raises:
        DataError: none of the photos can be read.
    """
    outputs = observe(classifier, validation, changes(classifier.color_mode), progress=progress)
    headline = compare(outputs, training, seed=seed)
    calibration = calibrate(outputs, seed=seed)
    mistakes = find_mistakes(outputs, None if calibration is None else calibration.probabilities)
    return Evidence(
        outputs,
        headline,
        confuse(outputs),
        mistakes,
        calibration,
        abstain(outputs, seed=seed),
        trials(outputs, headline.chance),
        attend(classifier, outputs, choose(outputs, mistakes)),
    )
