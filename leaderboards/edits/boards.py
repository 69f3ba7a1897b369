"""What a board of an edit task shows: boards are data, as for the other protocols."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Forgetting:
    """A measure that falls as a model forgets, and the levels at which methods are compared."""

    metric: str
    name: str
    """What to call it in tables."""
    levels: tuple[float, ...] = ()
    """Preset; the retrained model's own level is always added."""


@dataclass(frozen=True)
class EditBoard:
    """One leaderboard of an edit task.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        forgetting: measures of forgetting; the first that runs have along the edit is the main one.
        kept: measures of what must not be lost; the first that runs have along the edit is taken.
        end: columns at the end of the edit: metric, header.
        against_reference: those of `end` that compare with the reference, and are the same for
            every reference, which is compared with itself.
        baseline: the model as it was.
        reference: the method that never saw the forget set.
    """

    name: str
    task: str
    forgetting: tuple[Forgetting, ...]
    kept: tuple[tuple[str, str], ...]
    end: tuple[tuple[str, str], ...]
    against_reference: tuple[str, ...] = ()
    baseline: str = "identity"
    reference: str = "retrain"


TOFU = EditBoard(
    name="tofu",
    task="tofu",
    forgetting=(
        Forgetting("forget_Q_A_Prob", "forget probability", (0.5, 0.3, 0.15)),
        Forgetting("extraction_strength", "extraction strength"),
        Forgetting("forget_Q_A_PARA_Prob", "paraphrase probability"),
    ),
    kept=(("held_Q_A_Prob", "held probability"), ("retain_Q_A_Prob", "retain probability")),
    end=(
        ("forget_Q_A_Prob", "forget prob"),
        ("extraction_strength", "ES"),
        ("memorization_score", "memor."),
        ("forget_quality_log10", "log10 FQ"),
        ("forget_quality_ks_distance", "KS"),
        ("privleak", "PrivLeak"),
        ("model_utility", "utility"),
        ("retain_Q_A_Prob", "retain prob"),
        ("held_Q_A_Prob", "held prob"),
        ("score", "score"),
    ),
    against_reference=("forget_quality_log10", "forget_quality_ks_distance", "privleak"),
)

MUSE = EditBoard(
    name="muse",
    task="muse",
    forgetting=(
        Forgetting("forget_verbmem_ROUGE", "VerbMem", (0.4, 0.3, 0.2)),
        Forgetting("forget_verbmem_Prob", "VerbMem prob", (0.5, 0.3, 0.15)),
        Forgetting("forget_knowmem_ROUGE", "KnowMem of the forget set"),
        Forgetting("forget_knowmem_Prob", "KnowMem f prob"),
        Forgetting("extraction_strength", "extraction strength"),
    ),
    # No text is written along the edit unless -T trajectory=full: probabilities stand in.
    kept=(
        ("retain_knowmem_ROUGE", "KnowMem of the retain set"),
        ("retain_knowmem_Prob", "KnowMem r prob"),
    ),
    end=(
        ("forget_verbmem_ROUGE", "VerbMem"),
        ("forget_knowmem_ROUGE", "KnowMem f"),
        ("privleak", "PrivLeak"),
        ("extraction_strength", "ES"),
        ("retain_knowmem_ROUGE", "KnowMem r"),
        ("score", "score"),
    ),
    # Its score holds PrivLeak.
    against_reference=("privleak", "score"),
)

WMDP = EditBoard(
    name="wmdp",
    task="wmdp",
    forgetting=(
        Forgetting("wmdp_bio", "WMDP bio", (0.5, 0.4, 0.3)),
        Forgetting("wmdp_cyber", "WMDP cyber", (0.4, 0.3)),
        Forgetting("wmdp_chem", "WMDP chem", (0.4, 0.3)),
    ),
    kept=(("mmlu", "MMLU"),),
    end=(
        ("wmdp_bio", "bio"),
        ("wmdp_bio_texts", "bio texts"),
        ("wmdp_cyber", "cyber"),
        ("wmdp_cyber_texts", "cyber texts"),
        ("wmdp_chem", "chem"),
        ("wmdp_chem_texts", "chem texts"),
        ("mmlu", "MMLU"),
        ("mmlu_texts", "MMLU texts"),
        ("score", "score"),
    ),
)


def _ai2_arc(name: str) -> EditBoard:
    """AI2-ARC: what an edit costs on test questions, and whether it forgets its own."""
    return EditBoard(
        name=name,
        task=name,
        forgetting=(Forgetting("forget_acc_norm", "forgotten acc_norm", (0.5, 0.4, 0.3)),),
        kept=(("acc_norm", "acc_norm"),),
        end=(
            ("acc", "acc"),
            ("acc_norm", "acc_norm"),
            ("forget_acc", "forget acc"),
            ("forget_acc_norm", "forget acc_norm"),
        ),
    )


ARC_CHALLENGE = _ai2_arc("arc-challenge")
ARC_EASY = _ai2_arc("arc-easy")
