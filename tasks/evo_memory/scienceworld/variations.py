"""The experiments of ScienceWorld that its simplification "noElectricalAction" allows.

Numbers of variations and splits of scienceworld 1.2.3 (Wang et al. 2022, arXiv 2203.07540): the
first half is for training, the last quarter for tests.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """How the variations of one experiment are parted."""

    train: int
    """Variations from 0 that are for training."""
    first_test: int
    count: int

    def tests(self, wanted: int) -> list[int]:
        """Some test variations, evenly spread from the first to the last."""
        last = self.count - 1 - self.first_test
        return [self.first_test + last * index // (wanted - 1) for index in range(wanted)]


SHORT = (
    "chemistry-mix",
    "chemistry-mix-paint-secondary-color",
    "chemistry-mix-paint-tertiary-color",
    "find-animal",
    "find-living-thing",
    "find-non-living-thing",
    "find-plant",
    "identify-life-stages-2",
    "lifespan-longest-lived",
    "lifespan-longest-lived-then-shortest-lived",
    "lifespan-shortest-lived",
    "use-thermometer",
)
"""Experiments whose solutions take at most some 25 actions, and the game a second to work out."""

SPLITS = {
    "boil": Split(14, 21, 30),
    "change-the-state-of-matter-of": Split(14, 21, 30),
    "chemistry-mix": Split(16, 24, 32),
    "chemistry-mix-paint-secondary-color": Split(18, 27, 36),
    "chemistry-mix-paint-tertiary-color": Split(18, 27, 36),
    "find-animal": Split(150, 225, 300),
    "find-living-thing": Split(150, 225, 300),
    "find-non-living-thing": Split(150, 225, 300),
    "find-plant": Split(150, 225, 300),
    "freeze": Split(14, 21, 30),
    "grow-fruit": Split(62, 93, 126),
    "grow-plant": Split(62, 93, 126),
    "identify-life-stages-1": Split(6, 9, 14),
    "identify-life-stages-2": Split(4, 6, 10),
    "inclined-plane-determine-angle": Split(84, 126, 168),
    "inclined-plane-friction-named-surfaces": Split(692, 1038, 1386),
    "inclined-plane-friction-unnamed-surfaces": Split(80, 120, 162),
    "lifespan-longest-lived": Split(62, 93, 125),
    "lifespan-longest-lived-then-shortest-lived": Split(62, 93, 125),
    "lifespan-shortest-lived": Split(62, 93, 125),
    "measure-melting-point-known-substance": Split(218, 327, 436),
    "measure-melting-point-unknown-substance": Split(150, 225, 300),
    "melt": Split(14, 21, 30),
    "mendelian-genetics-known-plant": Split(60, 90, 120),
    "mendelian-genetics-unknown-plant": Split(240, 360, 480),
    "use-thermometer": Split(270, 405, 540),
}
"""Experiment -> its split, in alphabetical order."""
