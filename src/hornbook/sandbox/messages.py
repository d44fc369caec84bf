"""What passes between host and keeper for each run."""

from __future__ import annotations

import struct

HEAD = struct.Struct("<qB")
"""A run: its draw, and how many descriptors of texts come with it."""

REPLY = struct.Struct("<IIIII")
"""Lengths of what follows: facts, then report and output of the program, then of the judge."""
