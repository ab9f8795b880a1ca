"""Every exception gnomon raises on purpose, and what its caller does next.

* GnomonError
  + ConfigurationError       stop the process: no retry can help, the message says what to change
    - MissingExtraError      install the named extra
    - KeyUnavailableError    no usable key: make or mount one
  + EventError               this one record is bad: dead-letter it, go on
  + TransientError           the world is bad: retry with back-off, ack nothing
    - BrokerUnavailableError
    - RegistryUnavailableError
    - StoreUnavailableError
  + ModelRefusedError        this model version must not be used: skip it, say why, keep the others
  + UnreadableError          a sealed decision, or a payload in it, cannot be opened: count, go on
  + FencedError              another worker owns the partition: drop it at once, write nothing
  + OutputTooLargeError      no topic takes what these records lead to: find the one, dead-letter it
  + StageBrokenError         the stage raises on every record: stop, so that somebody looks
  + LostRecordsError         records between two batches are missing: stop before folding on
  + StalledError             nothing advances any more: restart the process
"""


class GnomonError(Exception):
    """Base of every error gnomon raises on purpose."""


class ConfigurationError(GnomonError):
    """The process cannot work as configured. The message says what to change."""


class MissingExtraError(ConfigurationError):
    """A command needs packages of an extra that is not installed."""

    def __init__(self, command: str, *, module: str, extra: str) -> None:
        super().__init__(f"{command} needs {module}: pip install 'gnomon[{extra}]'")


class KeyUnavailableError(ConfigurationError):
    """No key-encryption key, or one that cannot be used. Nothing is ever stored unsealed."""


class EventError(GnomonError):
    """One record cannot be processed, now or ever. It belongs in the dead-letter topic.

    Attributes:
        reason: Short constant word, safe as a metric label.
        detail: What was expected and what came, for a person.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class TransientError(GnomonError):
    """Something outside is unavailable for now. Retry with back-off; ack nothing."""


class BrokerUnavailableError(TransientError):
    """No Kafka broker answers."""


class RegistryUnavailableError(TransientError):
    """The model registry does not answer."""


class StoreUnavailableError(TransientError):
    """The SQL store does not answer."""


class ModelRefusedError(GnomonError):
    """A registered model version may not be loaded.

    Attributes:
        reason: Short constant word, safe as a metric label.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class UnreadableError(GnomonError):
    """A sealed decision, or what its agent sealed in it, cannot be opened.

    Attributes:
        reason: One of ``unknown_key``, ``tampered``, ``bad_header``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class FencedError(GnomonError):
    """A newer owner of the partition has taken over."""


class OutputTooLargeError(GnomonError):
    """What a batch leads to is larger than its topic takes. It was not written."""


class StageBrokenError(GnomonError):
    """The stage raises on every record, so the fault is its own. Stop before all are refused."""


class LostRecordsError(GnomonError):
    """A batch does not begin where the last one ended. Restart the process: it reads again."""


class StalledError(GnomonError):
    """The engine has died, or a partition has not advanced for too long. Restart the process."""
