"""The versions that Calor's modules have under TensorFlow's names."""

from calor import __version__ as _calor


def standing_for(version: str) -> str:
    """The version whose names are followed, with Calor's own behind the plus sign.

    ``packaging`` reads it, and ``version.split(".")[0]`` is the whole number that programs ask for.

    >>> standing_for("2.21.0").startswith("2.21.0+calor.")
    True
    """
    return f"{version}+calor.{_calor}"
