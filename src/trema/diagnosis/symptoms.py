"""What people ask about: the loss is NaN, nothing is learned, training outruns validation."""

from __future__ import annotations

from dataclasses import dataclass

from trema.core.errors import UsageError, did_you_mean
from trema.diagnosis.families import CAUSED, Family, family_of
from trema.diagnosis.relations import Ranked, Relations


@dataclass(frozen=True)
class Symptom:
    """A question about a run.

    families : what shows the symptom
    seen, unseen : the first words of an answer
    """

    name: str
    families: frozenset[Family]
    seen: str
    unseen: str

    def shown_by(self, finding: Ranked, relations: Relations) -> bool:
        """Whether a finding is this symptom."""
        return relations.family(finding) in self.families

    def may_come_from(self, finding: Ranked, relations: Relations) -> bool:
        """Whether a finding that stands for itself leads to this symptom."""
        if relations.family(finding) is not None or finding.cause is None:
            return False
        return bool(CAUSED[finding.cause] & self.families)

    def concerns(self, check: str, cause: str, relations: Relations) -> bool:
        """Whether a check says something about this symptom or what leads to it."""
        family = None if check in relations.static else family_of(check)
        if family is not None:
            return family in self.families
        return any(str(one) == cause and CAUSED[one] & self.families for one in CAUSED)


SYMPTOMS = {
    symptom.name: symptom
    for symptom in (
        Symptom(
            "loss-nan",
            frozenset({Family.NONFINITE, Family.DIVERGING, Family.EXPLODING, Family.SPIKES}),
            "the loss blew up",
            "no NaN, infinity or blow-up was seen",
        ),
        Symptom(
            "not-learning",
            frozenset(
                {
                    Family.FLAT,
                    Family.VANISHING,
                    Family.DEAD,
                    Family.SATURATED,
                    Family.OSCILLATING,
                    Family.RATE,
                    Family.START,
                }
            ),
            "the training learns too little",
            "no sign was seen that nothing is learned",
        ),
        Symptom(
            "overfitting",
            frozenset({Family.GAP}),
            "training and validation drift apart",
            "no gap between training and validation was seen",
        ),
    )
}


def symptom_named(name: str) -> Symptom:
    """The symptom of this name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if name not in SYMPTOMS:
        raise UsageError(f"there is no symptom {name[:100]!r}: {did_you_mean(name, SYMPTOMS)}")
    return SYMPTOMS[name]
