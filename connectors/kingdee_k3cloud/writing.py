"""Batches into BatchSave, and its answer, which speaks of rows by their place, into results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.connector import Change, WriteResult, with_defaults
from hub.errors import RejectedError

from . import coding
from .answers import failures, status_of, successes, words
from .api import Api, both, text
from .forms import Form

AUDITED = "C"


class Writer:
    """Writes to one form.  `known`: what updates and deletes need of the rows that are there."""

    def __init__(
        self,
        api: Api,
        form: Form,
        zone: Any,
        *,
        base: str,
        new: Mapping[str, Any],
        audit: bool,
        key_column: str,
    ) -> None:
        self.api, self.form, self.zone, self.base, self.new = api, form, zone, base, new
        self.audit, self.key_column = audit, key_column

    def write(self, batch: Sequence[Change], organization: str) -> Iterator[WriteResult]:
        yield from self._creates([c for c in batch if c.op == "create"], organization)
        rest = [c for c in batch if c.op != "create"]
        known = self._known([c.remote_id for c in rest])
        for change in rest:
            if change.remote_id not in known:
                yield WriteResult.gone(change.key)
        there = [c for c in rest if c.remote_id in known]
        yield from self._updates([c for c in there if c.op == "update"], known)
        for change in there:
            if change.op == "delete":
                yield self._delete(change, known[change.remote_id])

    def _known(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        if not ids:
            return {}
        form = self.form
        status = ["FDocumentStatus"] if "FDocumentStatus" in form.columns else []
        keys = list(dict.fromkeys([form.pk, form.key, *status]))
        where = both(self.base, condition(form, form.key, ids))
        found = self.api.query(form.name, keys, where, f"{form.pk} ASC", len(ids) * 2)
        return {str(cells[form.key]).strip(): cells for cells in found}

    # ------------------------------------------------------------------------------ creates

    def _creates(self, changes: Sequence[Change], organization: str) -> Iterator[WriteResult]:
        made = self._made([c.key for c in changes])
        for change in changes:
            if change.key in made:
                yield WriteResult.applied(change.key, remote_id=made[change.key])
        new = [c for c in changes if c.key not in made]
        models = [self._new(c, organization) for c in new]
        yield from self._save(new, models, [])

    def _made(self, keys: Sequence[str]) -> dict[str, str]:
        """Which of these creates were done before: by the column that carries the hub's key."""
        if not self.key_column or not keys:
            return {}
        form, column = self.form, self.key_column
        where = both(self.base, f"{column} in ({','.join(map(text, keys))})")
        asked = [column, form.key] if form.key == form.pk else [column, form.key, form.pk]
        found = self.api.query(form.name, asked, where, f"{form.pk} ASC", len(keys) * 2)
        return {str(cells[column]).strip(): str(cells[form.key]).strip() for cells in found}

    def _new(self, change: Change, organization: str) -> dict[str, Any]:
        form = self.form
        values = with_defaults(change.values, self.new)
        for column in (form.made_in, form.organization):
            if column:
                values.setdefault(column, {"FNumber": organization})
        model = {form.pk: 0, **coding.model_of(form, values, self.zone)}
        return {**model, self.key_column: change.key} if self.key_column else model

    # ------------------------------------------------------------------------------ updates

    def _updates(
        self, changes: Sequence[Change], known: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[WriteResult]:
        """One call for each set of columns: the columns to write are said once for all its rows."""
        groups: dict[tuple[str, ...], list[tuple[Change, dict[str, Any]]]] = {}
        for change in changes:
            model = coding.model_of(self.form, change.values, self.zone)
            groups.setdefault(tuple(coding.written(self.form, model)), []).append((change, model))
        for columns, group in groups.items():
            if not columns:  # nothing of it can be written: it is as it was
                for change, _ in group:
                    yield WriteResult.applied(change.key, remote_id=change.remote_id)
                continue
            ready, refused = self._reopened([c for c, _ in group], known)
            yield from refused
            models = [
                {self.form.pk: known[c.remote_id][self.form.pk], **m}
                for c, m in group
                if c in ready
            ]
            yield from self._save(ready, models, list(columns))

    def _reopened(
        self, changes: Sequence[Change], known: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[Change], list[WriteResult]]:
        """Audited rows are closed: with `audit` they are opened, and audited again with the save."""
        ready, refused = [], []
        for change in changes:
            row = known[change.remote_id]
            error = ""
            if self.audit and row.get("FDocumentStatus") == AUDITED:
                error = self._operate("UnAudit", row[self.form.pk])
            if error:
                refused.append(WriteResult.rejected(change.key, code="audited", message=error))
            else:
                ready.append(change)
        return ready, refused

    def _operate(self, operation: str, pk: Any) -> str:
        """Their reason against it, or ""."""
        body = {"formid": self.form.name, "data": {"Ids": str(pk)}}
        status = status_of(self.api.call(operation, body))
        return "" if status is None or status["IsSuccess"] else words(status)

    # --------------------------------------------------------------------------------- save

    def _save(
        self, changes: Sequence[Change], models: Sequence[Mapping[str, Any]], columns: list[str]
    ) -> Iterator[WriteResult]:
        if not changes:
            return
        form = self.form
        body: dict[str, Any] = {
            "NeedUpDateFields": [form.pk, *columns] if columns else [],
            "NeedReturnFields": [],
            "IsDeleteEntry": "true",  # entries come whole
            "Model": list(models),
        }
        if self.audit:
            body["IsAutoSubmitAndAudit"] = "true"
        answer = self.api.call("BatchSave", {"formid": form.name, "data": body})
        status = status_of(answer)
        if status is None:
            return  # no word of any record: all outcomes are unknown, and will be looked at
        yield from self._results(changes, status)

    def _results(
        self, changes: Sequence[Change], status: Mapping[str, Any]
    ) -> Iterator[WriteResult]:
        """By `DIndex`, the place in the batch.  A row that is saved is saved, whatever else is said."""
        left = dict(enumerate(changes))
        for entity in successes(status):
            change = left.pop(_place(entity), None)
            if change is not None and (remote_id := self._id(change, entity)):
                yield WriteResult.applied(change.key, remote_id=remote_id)
        reasons: dict[int, list[Mapping[str, Any]]] = {}
        for failure in failures(status):
            reasons.setdefault(_place(failure), []).append(failure)
        for place, said in reasons.items():
            change = left.pop(place, None)
            if change is not None:
                yield _rejected(change, said)
        if left and not status["IsSuccess"] and not successes(status):
            # A refusal that names no row: the batch is taken apart until it does.
            raise RejectedError(
                "Kingdee {form}: {message}", form=self.form.name, message=words(status)
            )

    def _id(self, change: Change, entity: Mapping[str, Any]) -> str:
        if change.op == "update":
            return change.remote_id
        found = entity.get("Id" if self.form.key == self.form.pk else "Number")
        return str(found or "").strip()

    def _delete(self, change: Change, row: Mapping[str, Any]) -> WriteResult:
        error = self._operate("Delete", row[self.form.pk])
        if error:
            return WriteResult.rejected(change.key, code="refused", message=error)
        return WriteResult.applied(change.key, remote_id=change.remote_id)


def _place(entity: Mapping[str, Any]) -> int:
    place = entity.get("DIndex")
    return place if isinstance(place, int) and not isinstance(place, bool) else -1


def _rejected(change: Change, said: Sequence[Mapping[str, Any]]) -> WriteResult:
    message = "; ".join(str(s.get("Message") or "") for s in said)[:500]
    column = next((str(s["FieldName"]) for s in said if s.get("FieldName")), None)
    return WriteResult.rejected(
        change.key, code="refused", message=message or "no reason is given", column=column
    )


def condition(form: Form, column: str, values: Sequence[Any]) -> str:
    """`column` is one of these; ids that are no number are none."""
    if column == form.pk:
        numbers = [str(v) for v in values if str(v).isdigit()]
        return f"{column} in ({','.join(numbers) or '-1'})"
    return f"{column} in ({','.join(map(text, values))})"
