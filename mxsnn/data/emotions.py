"""The six emotions as compositions of movements: from confidences of movements or Action Units to scores, by rules that are data.

A rule is a simplification of what its source says: it knows neither order nor sides, and takes a confidence for an intensity. No
face tells an emotion for certain; such scores name a pattern of movements.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mxsnn.data.datasets import beyond_the_smile
from mxsnn.errors import UserError
from mxsnn.spec import suggestion

Conjunction = Callable[[np.ndarray], np.ndarray]
"""From the confidences of all movements of a combination, `[N, parts]` in 0 to 1, to that of the combination, [N]."""

Combination = tuple[str, ...]
"""The names of movements or Action Units that an emotion takes, all of them."""


def product(confidences: np.ndarray) -> np.ndarray:
    """As of independent events; lower, the more movements a combination has."""
    return confidences.prod(-1)


def minimum(confidences: np.ndarray) -> np.ndarray:
    """As sure as the least sure movement. Source: Zadeh, Information and Control 8, 1965."""
    return confidences.min(-1)


def geometric_mean(confidences: np.ndarray) -> np.ndarray:
    """The product without its bias towards short combinations."""
    return confidences.prod(-1) ** (1 / confidences.shape[-1])


class EmotionScores(NamedTuple):
    """What the confidences say of each emotion that they can express."""

    values: np.ndarray
    """float64 [N, emotions], 0 to 1"""
    emotions: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]
    """the other emotions, with the movements that are no class"""


@dataclass(frozen=True)
class Rules:
    """Emotions by the combinations that make them, any one of which is enough, and who says so."""

    combinations: Mapping[str, tuple[Combination, ...]]
    source: str

    def missing(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The emotions that these classes cannot express, with what is missing for the combination that is nearest."""
        lacking = {emotion: [tuple(m for m in c if m not in names) for c in many] for emotion, many in self.combinations.items()}
        return {emotion: min(each, key=len) for emotion, each in lacking.items() if all(each)}

    def scores(self, confidences: np.ndarray, names: Sequence[str], conjunction: Conjunction = product) -> EmotionScores:
        """Emotions from confidences `[N, classes]` in 0 to 1 of the classes `names`: the best of each one's combinations.

        Confidences are each class's own, as of sigmoids; those of a softmax exclude each other, so that no two movements of one
        combination are ever sure: of these take the maximum over a clip's windows first. A combination that needs other classes
        does not count. Raises: UserError for what is no confidence, and where no emotion can be expressed.
        """
        confidences = np.asarray(confidences, float)
        if confidences.ndim != 2 or confidences.shape[1] != len(names):
            raise UserError(f"confidences are [N, {len(names)}], one for each name; got {confidences.shape}")
        if not ((confidences >= 0) & (confidences <= 1)).all():
            raise UserError("confidences lie between 0 and 1; got others, such as logits; take their sigmoid first")
        place, missing = {name: k for k, name in enumerate(names)}, self.missing(names)
        emotions = tuple(emotion for emotion in self.combinations if emotion not in missing)
        if not emotions:
            raise UserError(f"no emotion can be told from {', '.join(names)}; the rules want {', '.join(self.movements())}")
        values = [
            np.max([conjunction(confidences[:, [place[m] for m in c]]) for c in self.combinations[e] if set(c) <= set(names)], 0)
            for e in emotions
        ]
        return EmotionScores(np.stack(values, -1), emotions, missing)

    def movements(self) -> tuple[str, ...]:
        """All that the rules name, in their order."""
        return tuple(dict.fromkeys(m for many in self.combinations.values() for c in many for m in c))

    def translated(self, units: Mapping[str, Sequence[str]]) -> Rules:
        """The rules in other words, such as Action Units in place of movements; what `units` does not have stays."""
        words = lambda c: tuple(dict.fromkeys(unit for m in c for unit in units.get(m, (m,))))  # noqa: E731
        return Rules({e: tuple(words(c) for c in many) for e, many in self.combinations.items()}, self.source)


BEYOND_THE_SMILE = Rules(
    {
        "Joy": (("Open Mouth", "Smile"),),
        "Fear": (("Open Mouth", "Frown"),),
        "Sadness": (("Frown", "Blink Eyes"),),
        "Disgust": (("Inverted Smile", "Nose Wrinkle", "Frown"),),
        "Anger": (("Contract Jaw", "Frown"),),
        "Surprise": (("Open Mouth", "Upper Lid Raiser"),),
    },
    'Mayaud and Bouchy, "Beyond the Smile: Capturing Micro Expressions with Event-based Vision"',
)
"""By movements. The inverted smile is no class of its data set, so that its classes cannot express disgust."""

FACS = Rules(
    {
        "Joy": (("AU6", "AU12", "AU25"),),
        "Sadness": (("AU1", "AU4", "AU15"),),
        "Disgust": (("AU10", "AU17", "AU4"),),
        "Anger": (("AU4", "AU5", "AU7", "AU24"),),
        "Surprise": (("AU1", "AU2", "AU5", "AU26"),),
        "Fear": (("AU1", "AU2", "AU4", "AU5", "AU20", "AU25"),),
    },
    'the strongest of the combinations of Ekman and Friesen, "Facial Action Coding System", 1978, table 11-1, as chosen and quoted '
    "in Methods of Psychological Research Online: "
    "http://www.dgps.de/fachgruppen/methoden/mpr-online/issue4/art3/node4.html",
)
"""By Action Units; one combination of several for each emotion; the intensity that its joy asks of AU12 is left out."""

EMFACS = Rules(
    {
        "Joy": (("AU6", "AU12"),),
        "Sadness": (("AU1", "AU4", "AU15"),),
        "Surprise": (("AU1", "AU2", "AU5", "AU26"),),
        "Fear": (("AU1", "AU2", "AU4", "AU5", "AU7", "AU20", "AU26"),),
        "Anger": (("AU4", "AU5", "AU7", "AU23"),),
        "Disgust": (("AU9", "AU15", "AU16"),),
    },
    "EMFACS-7 (Friesen and Ekman, 1983; not published) as Wikipedia's article on the Facial Action Coding System quotes it",
)
"""By Action Units; intensities (AU5 at B or more in surprise) and contempt, which is of one side, are left out."""

RULES = {
    "beyond-the-smile": BEYOND_THE_SMILE,
    "beyond-the-smile-units": BEYOND_THE_SMILE.translated(beyond_the_smile.UNITS | {"Inverted Smile": ("AU15",)}),
    "facs": FACS,
    "emfacs": EMFACS,
}
"""Rules by name; "beyond-the-smile-units" are those of the report in the Action Units that its movements correspond to."""


def rules_named(text: str | Path) -> Rules:
    """The rules of a name, or of a TOML file. Raises: UserError for neither."""
    if text in RULES:
        return RULES[str(text)]
    if Path(text).suffix != ".toml":
        raise UserError(f"{str(text)!r} are no rules{suggestion(str(text), RULES)}; or give a .toml file")
    return read_rules(text)


def read_rules(path: str | Path) -> Rules:
    """Rules from TOML: `source = "..."` and under `[emotions]` `Joy = ["AU6", "AU12"]`, or a list of such lists: one is enough.

    Raises: UserError that names what is wrong.
    """
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    emotions, source = table.get("emotions"), table.get("source")
    if not isinstance(emotions, dict) or not emotions or not isinstance(source, str) or not source:
        raise UserError(f'{path}: rules are source = "who says so" and a table [emotions] with Joy = ["AU6", "AU12"]')
    return Rules({name: _combinations(f"{path}: {name}", found) for name, found in emotions.items()}, source)


def _combinations(where: str, found: Any) -> tuple[Combination, ...]:
    many = found if isinstance(found, list) and found and all(isinstance(each, list) for each in found) else [found]
    for one in many:
        if not isinstance(one, list) or not one or not all(isinstance(m, str) and m for m in one) or len(set(one)) < len(one):
            raise UserError(f'{where}: a combination is a list of different names such as ["AU6", "AU12"], got {one!r}')
    return tuple(tuple(one) for one in many)
