"""Seals the comparisons of one batch, with the numbers that are stored beside them."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gnomon import codec
from gnomon.events import SealedDecision
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.runtime.batch_metrics import trace_id_in
from gnomon.settings import Settings
from gnomon.store.figures import DecisionHead, Figures, figures_of
from gnomon.vault import IndexKeyIds, KeyRing, scope_of, seal_all_bytes, word_for
from gnomon.vault.scopes import DEFAULT

_AT_ONCE: Final = 250
"""Records of one step, whose bytes are still in the processor's cache when they are sealed."""

_MOST_WORDS: Final = 1_000
"""Most scopes whose hashes of ids are kept."""

_decode: Final = msgspec.json.Decoder(DecisionHead).decode


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """A comparison, what is stored of it, and the trace in which its task began."""

    record: SourceRecord
    row: SealedDecision
    figures: Figures
    trace_id: str | None


class BatchSealer:
    """Seals comparisons with keys of their scopes.

    Args:
        settings: Say what a scope is, and whether ids are hashed.
        keyring: Has the keys.
        index_keys: Which key hashes the ids of a scope.
    """

    def __init__(self, settings: Settings, keyring: KeyRing, index_keys: IndexKeyIds) -> None:
        self._settings, self._keyring, self._index_keys = settings, keyring, index_keys
        self._words: dict[str, Callable[[str], str]] = {}
        self._drops = keyring.drops

    def seal(self, records: Sequence[SourceRecord], outputs: Outputs) -> list[Sealed]:
        """Return the sealed records in their order; those that are no comparison become dead letters.

        Raises:
            StoreUnavailableError: A new key is due and its row cannot be stored.
            KeyProviderUnavailableError: A new key is due and whoever wraps it does not answer.
        """
        sealed: list[Sealed] = []
        for at in range(0, len(records), _AT_ONCE):
            sealed += self._sealed(records[at : at + _AT_ONCE], outputs)
        return sealed

    def _sealed(self, records: Sequence[SourceRecord], outputs: Outputs) -> list[Sealed]:
        by_scope: dict[str, list[tuple[SourceRecord, DecisionHead]]] = {}
        scope_by = self._settings.scope_by
        for record in records:
            try:
                head = _decode(record.value or b"")
            except codec.UNDECODABLE as error:
                refusal = codec.refusal(record.value, error)
                outputs.dead.append(DeadLetter(record, refusal.reason, refusal.detail))
                continue
            scope = DEFAULT
            if scope_by != "none":
                scope = scope_of(scope_by, tenant=head.tenant, agent_id=head.agent_id)
            by_scope.setdefault(scope, []).append((record, head))
        sealed = [
            each for scope, decoded in by_scope.items() for each in self._of_scope(scope, decoded)
        ]
        if len(by_scope) > 1:
            sealed.sort(key=lambda each: each.record.offset)
        return sealed

    def _of_scope(
        self, scope: str, decoded: Sequence[tuple[SourceRecord, DecisionHead]]
    ) -> list[Sealed]:
        ciphertexts = seal_all_bytes(
            self._keyring,
            decision_ids=[head.decision_id for _, head in decoded],
            plains=[record.value or b"" for record, _ in decoded],
            scope=scope,
        )
        word = self._word(scope)  # afterwards: sealing notices keys that were destroyed
        return [
            Sealed(
                record,
                SealedDecision(
                    decision_id=head.decision_id,
                    key_id=key_id,
                    sealed=ciphertext,
                    status=head.outcome.status,
                    started_at_ms=head.started_at_ms,
                    ended_at_ms=head.outcome.at_ms,
                    scope=scope,
                ),
                figures_of(head, word, scope=scope),
                trace_id_in(head.traceparent),
            )
            for (record, head), (key_id, ciphertext) in zip(decoded, ciphertexts, strict=True)
        ]

    def _word(self, scope: str) -> Callable[[str], str]:
        if self._drops != self._keyring.drops:  # one that hashes may have been destroyed
            self._drops = self._keyring.drops
            self._words.clear()
        word = self._words.get(scope)
        if word is None:
            if len(self._words) >= _MOST_WORDS:
                self._words.clear()
            query_ids = self._settings.query_ids
            word = word_for(query_ids, self._keyring, self._index_keys, scope=scope)
            self._words[scope] = word
        return word
