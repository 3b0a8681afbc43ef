"""What must hold of leads and opportunities, whoever changes them."""

from collections.abc import Callable, Mapping
from typing import Any

from hub.api import Change, Problem

from .settings import WON, Stage

REACHABLE = ("company_name", "contact_name", "phone", "email")


def lead_is_reachable(change: Change) -> None:
    """A lead names a company or a person, or says how to reach one; one that is none says why."""
    if not any(change.after.get(name) for name in REACHABLE):
        change.refuse(
            Problem(
                "unreachable-lead",
                "a lead needs a company, a person, a phone or an e-mail",
                "contact_name",
                hint="Fill one of them.",
            )
        )
    if change.after.get("status") == "unqualified" and not change.after.get("unqualified_reason"):
        change.refuse(
            Problem(
                "reason-missing",
                "a lead that is none needs a reason",
                "unqualified_reason",
                hint="Say why; it is what lead sources are judged by.",
            )
        )


def opportunity_rule(stages: Mapping[str, Stage]) -> Callable[[Change], None]:
    """Stage, status, probability and history agree, under these stages."""
    first = next(iter(stages))

    def check(change: Change) -> None:
        if not change.before:
            change.set("opened_at", change.after.get("opened_at") or change.at)
            change.set("stage", change.after.get("stage") or first)
        if change.after["stage"] not in stages:
            change.refuse(_unknown_stage(change.after["stage"], stages))
            return
        _close_or_reopen(change, first)
        _weigh(change, stages[change.after["stage"]])
        if change.before.get("stage") != change.after["stage"]:
            change.set("stages", _history(change))

    return check


def _close_or_reopen(change: Change, first: str) -> None:
    before, status = change.before.get("status", "open"), change.after["status"]
    if change.after["stage"] == WON.code and status == "open" and before == "open":
        change.set("status", status := "won")
    if status == before and change.before:
        return
    if status == "open":
        change.set("closed_at", None)
        if before == "won":
            change.set("stage", _last_open_stage(change) or first)
        return
    if not change.changed("closed_at"):
        change.set("closed_at", change.at)
    if status == "won":
        change.set("stage", WON.code)
        for name in ("amount", "expected_close_on"):
            if not change.after.get(name):
                change.refuse(
                    Problem(
                        "missing-to-win",
                        "an opportunity that is won needs this",
                        name,
                        hint="Fill it in the same change.",
                    )
                )
    if status == "lost" and not change.after.get("lost_reason"):
        change.refuse(
            Problem(
                "reason-missing",
                "an opportunity that is lost needs a reason",
                "lost_reason",
                hint="Say why; it is what the review of the month looks at.",
            )
        )


def _weigh(change: Change, stage: Stage) -> None:
    status = change.after["status"]
    if status == "open" and not change.after.get("probability_manual"):
        change.set("probability", _text(stage.probability))
    elif status != "open":
        change.set("probability", "1" if status == "won" else "0")
    moved = change.changed("stage") or change.changed("status")
    if status != "open":
        change.set("forecast_category", "closed" if status == "won" else "omitted")
    elif not change.after.get("forecast_category") or (
        moved and not change.changed("forecast_category")
    ):
        change.set("forecast_category", stage.category)


def _history(change: Change) -> list[dict[str, Any]]:
    steps = list(change.after.get("stages") or ())
    step = {
        "seq": len(steps) + 1,
        "at": change.at,
        "from_stage": change.before.get("stage"),
        "to_stage": change.after["stage"],
        "by": change.origin,
        "amount": change.after.get("amount"),
        "probability": change.after.get("probability"),
    }
    return [*steps, {k: v for k, v in step.items() if v is not None}]


def _last_open_stage(change: Change) -> str | None:
    steps = [s["to_stage"] for s in change.before.get("stages") or () if s["to_stage"] != WON.code]
    return steps[-1] if steps else None


def _text(value: Any) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _unknown_stage(stage: str, stages: Mapping[str, Stage]) -> Problem:
    return Problem(
        "unknown-stage",
        "there is no stage {value!r}",
        "stage",
        stage,
        hint="There are: {known}.",
        values={"known": ", ".join(stages)},
    )
