"""Asking a teacher: a bounded window over a stream of requests, no barrier, every reply journaled first.

Requests are built piece by piece from Parquet and never held in a list. A slow reply delays nothing
but itself; a retry that waits holds no slot. Replies come back in any order and go to the journal;
reading them in the order of the documents is a step of its own.
"""

from hornbook.engine.asking.asker import Asker
from hornbook.engine.asking.rows import looking, replies_for, replies_to, reply_of, requests_of, with_params
from hornbook.engine.asking.tally import Tally

__all__ = ["Asker", "Tally", "looking", "replies_for", "replies_to", "reply_of", "requests_of", "with_params"]
