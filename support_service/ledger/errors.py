"""What can go wrong between a caller and the ledger; every text is for people and holds no password."""


class LedgerError(Exception):
    """The family: the ledger could not do what was asked."""


class LedgerDown(LedgerError):
    """The database cannot be reached, is full or damaged, or was locked for too long; the same call may work later."""


class LedgerOutdated(LedgerError):
    """The database is not at the schema of this version."""


class CursorMoved(LedgerError):
    """Another watcher was faster; read the source again from the stored cursor."""


class Outrun(LedgerError):
    """Somebody else changed the donation first: what this report was made for does not hold any more."""


class SourceFrozen(LedgerError):
    """Nothing is accepted from this source until a person has looked and said `unfreeze`."""


class SourceContradiction(LedgerError):
    """A report contradicts itself, such as credits that do not sum to the balance change it proves."""


class BadReport(LedgerError):
    """A report holds text that no database can keep."""


class BadRecord(LedgerError):
    """A stored row cannot be read: it was damaged, or written by something else; run `support-service verify`."""


class BackupRefused(LedgerError):
    """A backup cannot be taken or restored: no backup, damaged, another ledger, too old, or no empty place for it."""
