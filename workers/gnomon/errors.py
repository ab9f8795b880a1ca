"""Every exception that gnomon raises on purpose, and how its caller reacts.

* GnomonError
  + ConfigurationError       stop the process: retries cannot help, the message says what to change
    - MissingExtraError      install the named extra
    - KeyUnavailableError    no usable key: make or mount one
  + EventError               this record is invalid: write it to dead-letters and continue
  + TransientError           a service is unavailable: retry with back-off, commit nothing
    - BrokerUnavailableError
      NotLetInError          Kafka answers and refuses: correct a setting, certificate or right
    - RegistryUnavailableError
    - StoreUnavailableError
      . StoreRefusedError    the tables or rights were changed: the message says how, a person must look
      . OvertakenError       another process has stored meanwhile: read what is stored, and try again
    - KeyProviderUnavailableError   whoever holds the key-encryption key is away, or refuses for now
    - KeyDestroyedError      the data key was shredded while it was in use: seal again with another
  + ModelRefusedError        this model version must not be used: skip it, log why, keep the others
  + UnreadableError          a sealed decision or payload cannot be opened: count it and continue
  + FencedError              another worker owns the partition: give it up, write nothing
  + OutputTooLargeError      an output exceeds its topic's limit: write its input to dead-letters
  + StageBrokenError         the stage raises on every record: stop, a person must look
  + LostRecordsError         records between two batches are missing: stop before processing more
  + StalledError             processing has stopped: restart the process
"""

from collections.abc import Collection


class GnomonError(Exception):
    """Base class of every error that gnomon raises on purpose."""


class ConfigurationError(GnomonError):
    """The process cannot work as configured. The message says what to change."""


class MissingExtraError(ConfigurationError):
    """A command needs packages of an extra that is not installed."""

    def __init__(self, command: str, *, module: str, extra: str) -> None:
        super().__init__(f"{command} needs {module}: pip install 'gnomon[{extra}]'")


class KeyUnavailableError(ConfigurationError):
    """The key-encryption key is missing or unusable. gnomon never stores a decision unsealed."""


class EventError(GnomonError):
    """A record can never be processed. It belongs in the dead-letter topic.

    Attributes:
        reason: Short constant word, usable as a metric label.
        detail: What was expected and what was found, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class TransientError(GnomonError):
    """An outside service is unavailable for now. Retry with back-off; commit nothing."""


class BrokerUnavailableError(TransientError):
    """No Kafka broker answers."""


class NotLetInError(BrokerUnavailableError):
    """Kafka answers, and refuses the login, the certificate or the right of this user.

    It is worth a retry: passwords, certificates and rights are often changed on one side first.
    """


class RegistryUnavailableError(TransientError):
    """The model registry does not answer."""


class StoreUnavailableError(TransientError):
    """The SQL store does not answer."""


class StoreRefusedError(StoreUnavailableError):
    """The SQL store refuses gnomon's own statement: a table is missing, or a right.

    It is no fault of a record, and it passes when somebody restores the table or the right.
    """


class OvertakenError(StoreUnavailableError):
    """The trees of a partition are not as this process knows them. Nothing was stored.

    Another worker has stored decisions of the partition, or the store was restored.
    """


class KeyProviderUnavailableError(TransientError):
    """The service that holds the key-encryption key does not answer, or refuses.

    It is worth a retry where it refuses too: rights and keys are often enabled again without a
    restart. gnomon neither seals with another key nor stores anything unsealed meanwhile.
    """


class KeyDestroyedError(TransientError):
    """Records were sealed with data keys that were shredded meanwhile. Nothing was stored.

    Attributes:
        key_ids: Ids of these keys.
    """

    def __init__(self, key_ids: Collection[str]) -> None:
        super().__init__(f"{len(key_ids)} keys were shredded while in use")
        self.key_ids = frozenset(key_ids)


class ModelRefusedError(GnomonError):
    """A registered model version may not be loaded.

    Attributes:
        reason: Short constant word, usable as a metric label.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class UnreadableError(GnomonError):
    """A sealed decision, or a payload that the agent sealed, cannot be opened.

    Attributes:
        reason: One of ``unknown_key``, ``tampered``, ``bad_header``, ``shredded``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class FencedError(GnomonError):
    """Another worker has taken over the partition."""


class OutputTooLargeError(GnomonError):
    """An output of a batch is larger than its topic accepts. It was not written."""


class StageBrokenError(GnomonError):
    """The stage raises on every record, so the stage is at fault. Stop, or all would be refused."""


class LostRecordsError(GnomonError):
    """A batch does not begin where the last one ended. A restart reads the missing records again."""


class StalledError(GnomonError):
    """The engine has died, or a partition has made no progress for too long. Restart the process."""
