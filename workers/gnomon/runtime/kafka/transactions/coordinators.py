"""Sends requests to coordinators of groups and transactions, and repeats them while they move."""

from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType

from gnomon.runtime.kafka.transactions.retries import SendRequest, retry_until_done


class Coordinators:
    """Remembers which broker coordinates what.

    Args:
        client: Does connections and metadata.
    """

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._nodes: dict[tuple[int, str], int] = {}

    async def send_to_transaction(self, transactional_id: str, request: Any) -> Any:
        """Send to the coordinator of the transactional id; returns the response.

        Raises:
            KafkaError: There was no response.
        """
        return await self._send(CoordinationType.TRANSACTION, transactional_id, request)

    async def send_to_group(self, group: str, request: Any) -> Any:
        """Send to the coordinator of the consumer group; returns the response.

        Raises:
            KafkaError: There was no response.
        """
        return await self._send(CoordinationType.GROUP, group, request)

    async def retry(self, send: SendRequest, *, within_s: float | None = None) -> None:
        """Repeat ``send`` until no error is left; see ``retry_until_done``."""
        await retry_until_done(send, refresh_metadata=self._refresh, within_s=within_s)

    async def _refresh(self) -> None:
        self._nodes.clear()
        await self._client.force_metadata_update()

    async def _send(self, kind: int, key: str, request: Any) -> Any:
        node = self._nodes.get((kind, key))
        if node is None:
            node = await self._client.coordinator_lookup(kind, key)
            self._nodes[kind, key] = node
        return await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
