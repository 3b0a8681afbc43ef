"""S-2: a lead becomes a customer with a contact, and an opportunity, in one transaction."""

from collections.abc import Mapping
from typing import Any

from hub.api import Changes, Hub, Params, Record, fields


class ConvertParams(Params):
    opportunity = fields.Boolean(load_default=True)


def convert(hub: Hub, record: Record, *, opportunity: bool) -> dict[str, Any]:
    """The ids it became.  A second run answers with the same ids and changes nothing."""
    with hub.changes() as changes:
        lead = changes.get("lead", record["id"])
        if lead["status"] == "converted":
            return _became(lead)
        customer = _customer(changes, lead)
        contact = _contact(changes, lead, customer)
        made = _opportunity(changes, lead, customer, contact) if opportunity else None
        for status in ("qualified", "converted"):
            if lead["status"] not in (status, "converted"):
                lead = changes.update("lead", lead["id"], {"status": status})
        return _became(
            changes.update(
                "lead",
                lead["id"],
                {
                    "converted_at": lead["updated_at"],
                    "converted_customer": customer,
                    "converted_contact": contact,
                    "converted_opportunity": made,
                },
            )
        )


def _became(lead: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: lead.get(f"converted_{kind}") for kind in ("customer", "contact", "opportunity")}


def _customer(changes: Changes, lead: Mapping[str, Any]) -> str:
    """The customer that it is already, by tax number, or a person by e-mail or phone; else a new one."""
    person = not lead.get("company_name")
    values = {
        "name": lead.get("company_name") or lead.get("contact_name") or lead["name"],
        "party_type": "person" if person else "organization",
        "tax_id": lead.get("tax_id"),
        "industry": lead.get("industry"),
        "source": lead.get("source"),
        "owner": lead.get("owner"),
    }
    if person:
        values |= {"phone": lead.get("phone"), "email": lead.get("email")}
    known = changes.match("customer", _filled(values))
    return known or str(changes.create("customer", _filled(values))["id"])


def _contact(changes: Changes, lead: Mapping[str, Any], customer: str) -> str | None:
    if not lead.get("contact_name") or not lead.get("company_name"):
        return None
    values = {
        "name": lead["contact_name"],
        "account": customer,
        "title": lead.get("job_title"),
        "phone": lead.get("phone"),
        "email": lead.get("email"),
    }
    known = changes.match("contact", _filled(values))
    return known or str(changes.create("contact", _filled(values))["id"])


def _opportunity(
    changes: Changes, lead: Mapping[str, Any], customer: str, contact: str | None
) -> str:
    values = {
        "name": lead["name"],
        "customer": customer,
        "contact": contact,
        "lead": lead["id"],
        "amount": lead.get("budget"),
        "source": lead.get("source"),
        "owner": lead.get("owner"),
    }
    return str(changes.create("opportunity", _filled(values))["id"])


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
