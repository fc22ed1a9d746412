"""Read targets from text: ``p50 < 100ns, p99 < 2us``."""

import re

from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.model import QUANTILES, Target

_TARGET = re.compile(r"\s*(?P<statistic>[a-z][a-z0-9.]*)\s*<\s*(?P<limit>[^<>=]+?)\s*", re.IGNORECASE)
_OTHER_NAMES = {"p99.9": "p999", "median": "p50"}


def parse_targets(text: object) -> tuple[Target, ...]:
    """Return the targets that a text states.

    Args:
        text: ``STATISTIC < LIMIT``, several separated by commas. A statistic is p50 (or median), p90, p99, p999 (or
            p99.9), a limit a duration with its unit. A `Target`, or several of them, are taken as they are, and None
            and an empty sequence are no target.

    Raises:
        InvalidValueError: The text does not say that, or states a statistic twice.
        InvalidTypeError: It is not text, a `Target` or a sequence of these.
    """
    if text is None:
        return ()
    if isinstance(text, Target):
        return (text,)
    if isinstance(text, list | tuple):
        targets = tuple(target for part in text for target in parse_targets(part))
    elif isinstance(text, str):
        targets = tuple(_parse(part, text) for part in text.split(","))
    else:
        raise InvalidTypeError(f"target {text!r} is not text; write for example target='p99 < 2us'")
    _check_once(targets)
    return targets


def _parse(part: str, whole: str) -> Target:
    match = _TARGET.fullmatch(part)
    statistic = match["statistic"].lower() if match else ""
    statistic = _OTHER_NAMES.get(statistic, statistic)
    if match is None or statistic not in QUANTILES:
        raise InvalidValueError(
            f"target {whole!r} cannot be read{_at(part, whole)}; write a statistic ({', '.join(QUANTILES)}), '<' and a "
            "duration, for example 'p50 < 100ns, p99 < 2us'"
        )
    try:
        return Target(statistic, match["limit"])
    except InvalidValueError as error:
        raise InvalidValueError(f"target {whole!r} cannot be read: {error}") from None


def _at(part: str, whole: str) -> str:
    return "" if part == whole else f" at {part.strip()!r}"


def _check_once(targets: tuple[Target, ...]) -> None:
    names = [target.statistic for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValueError(f"{name} has {names.count(name)} targets; give it one")
