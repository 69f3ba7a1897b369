"""What a board of an adapt task shows: boards are data, as for the other protocols."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AdaptBoard:
    """One leaderboard of an adapt task.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        figures: columns of the main table beside accuracy and gain: metric of a run, header. A
            metric that no run of a section has is left out.
        costs: columns of the table of costs.
        baseline: the model without adaptation.
        min_effect: smallest difference of accuracy that matters.
    """

    name: str
    task: str
    figures: tuple[tuple[str, str], ...]
    costs: tuple[tuple[str, str], ...]
    baseline: str = "source"
    min_effect: float = 0.01


IMAGENET_C = AdaptBoard(
    name="imagenet-c",
    task="imagenet-c",
    figures=(
        ("accuracy_clean", "clean"),
        ("mce", "mCE"),
        ("relative_mce", "rel mCE"),
        ("ece", "ECE"),
        ("nll", "NLL"),
        ("brier", "Brier"),
        ("largest_class_share", "max class"),
        ("class_share_distance", "L1 class"),
        ("accuracy_clean_after", "clean after"),
        ("forgetting", "forgetting"),
        ("overhead", "overhead"),
    ),
    costs=(
        ("images_per_second", "images/s"),
        ("overhead", "overhead"),
        ("forwards_per_image", "forwards"),
        ("backwards_per_image", "backwards"),
        ("source_images", "source images"),
        ("updates", "updates"),
        ("selected", "selected"),
        ("missed", "missed"),
        ("undebiased", "undebiased"),
        ("averaged", "averaged"),
        ("setup_seconds", "setup s"),
        ("resets", "own resets"),
        ("resets_of_stream", "stream resets"),
        ("peak_memory_bytes", "memory MB"),
    ),
)
