"""What can go wrong, in sentences a person can act on.

ApprenticeError
├── SettingsError (ValueError)        a setting is unknown or invalid
├── StoreUnavailable (ConnectionError) Redis or Valkey cannot be reached or cannot write
├── NotFound (LookupError)            a turn, version or item that does not exist
├── UnknownModel (LookupError)        a request names a model that is not served
├── PromptTooLong (ValueError)        a question does not fit the token budget
├── ServingUnavailable (ConnectionError) the HTTP API cannot be reached, or an answer broke off
├── Busy (RuntimeError)               the engine's queue is full; `retry_after_s` says when to try again
├── AdapterRefused (ValueError)       an adapter's files are not what they must be
├── DocumentRefused (ValueError)      a document cannot be read
├── IndexDamaged (ValueError)         the index of documents is not what was written
├── FenceLost (RuntimeError)          a task's lock was taken over; its writes are refused
├── AliasMoved (RuntimeError)         an alias no longer points where the writer believed
├── InvalidInput (ValueError)         a person's or a client's input cannot be used
├── NotAllowed (PermissionError)      an operator's role, or no login, does not let them do it
├── DiskFull (OSError)                a file could not be written for want of space
└── Unforeseen                        anything else; the log has the details
"""


class ApprenticeError(Exception):
    """Base of every failure that Apprentice explains itself.

    `code` says which failure it is and `values` what its sentence holds, for clients and for other languages.
    """

    code = "failed"

    def __init__(self, sentence: str, code: str | None = None, **values: str | int):
        super().__init__(sentence)
        self.code = code or type(self).code
        self.values = values


class SettingsError(ApprenticeError, ValueError):
    """A setting is unknown or invalid."""


class StoreUnavailable(ApprenticeError, ConnectionError):
    """Redis or Valkey cannot be reached, or refuses to write."""

    code = "store_unavailable"


class NotFound(ApprenticeError, LookupError):
    """A turn, adapter version or item that does not exist."""

    code = "not_found"


class UnknownModel(ApprenticeError, LookupError):
    """A request names a model that is not served."""

    code = "model_not_found"


class PromptTooLong(ApprenticeError, ValueError):
    """A question does not fit the prompt's token budget."""

    code = "context_length_exceeded"


class ServingUnavailable(ApprenticeError, ConnectionError):
    """The HTTP API cannot be reached, or an answer broke off."""

    code = "engine_unavailable"


class Busy(ApprenticeError, RuntimeError):
    """The engine's queue is full."""

    code = "busy"

    def __init__(self, sentence: str, retry_after_s: int = 2):
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class AdapterRefused(ApprenticeError, ValueError):
    """An adapter's files are not what they must be."""


class DocumentRefused(ApprenticeError, ValueError):
    """A document cannot be read."""

    code = "document_refused"


class IndexDamaged(ApprenticeError, ValueError):
    """The index of documents is not what was written."""

    code = "index_damaged"


class FenceLost(ApprenticeError, RuntimeError):
    """The lock behind a write was taken over by another process."""


class AliasMoved(ApprenticeError, RuntimeError):
    """An alias no longer points where the writer believed."""


class InvalidInput(ApprenticeError, ValueError):
    """Input that cannot be used, with the reason."""

    code = "invalid_request"


class NotAllowed(ApprenticeError, PermissionError):
    """Something that this operator may not do."""

    code = "not_allowed"


class DiskFull(ApprenticeError, OSError):
    """A file could not be written for want of space."""

    code = "disk_full"


class Unforeseen(ApprenticeError):
    """What nobody foresaw; the log has the details."""

    code = "internal_error"
