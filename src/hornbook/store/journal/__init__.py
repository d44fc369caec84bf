"""The journal: every request to a teacher and every reply, durable before it is acted on.

One request, one key (`hornbook.core.asking.Request.key`). The intent is on disk before the request is
sent, the raw reply before it is parsed, so a crash at any byte loses nothing that had arrived and asks
nothing again. It is also the cache: the same request in another run is free.

Each writer has an SQLite file of its own (WAL, synced commits), claimed with a file lock, so any number
of processes on one filesystem never meet; readers look through all of them, and the newest state wins.
`JournalWriter` commits in a thread, `JournalProcess` in a process of its own, for where thousands of
requests a second are asked.
"""

from hornbook.store.journal.apart import JournalProcess
from hornbook.store.journal.reader import Journal
from hornbook.store.journal.records import Entry
from hornbook.store.journal.writer import Batch, JournalWriter

__all__ = ["Batch", "Entry", "Journal", "JournalProcess", "JournalWriter"]
