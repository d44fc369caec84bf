"""Which licence a text is, as an SPDX expression, by phrases of its own; and which licences are permissive."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = """
0BSD AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause
BSL-1.0 BlueOak-1.0.0 CC0-1.0 CC-BY-4.0 CNRI-Python ECL-2.0 HPND HPND-sell-variant ISC JSON MIT MIT-0 MIT-CMU
MulanPSL-2.0 NCSA OFL-1.1 PSF-2.0 PostgreSQL Python-2.0 UPL-1.0 Unicode-3.0 Unicode-DFS-2016 Unlicense W3C WTFPL X11
ZPL-2.1 Zlib libpng-2.0
"""
PERMISSIVE = frozenset(_NAMES.split())
"""Licences that ask for no more than their notice, after the Blue Oak Council's list (from memory); The Stack
(arXiv:2211.15533, section 3) keeps such ones only."""

_PHRASES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("AGPL-3.0", ("gnu affero general public license version 3",)),
    ("LGPL-3.0", ("gnu lesser general public license version 3", "this version of the gnu lesser general")),
    ("LGPL-2.1", ("gnu lesser general public license version 2.1", "lesser general public license is intended")),
    ("LGPL-2.1", ("gnu lesser general public license version 2.1", "february 1999")),
    ("LGPL-2.0", ("gnu library general public license version 2",)),
    ("GPL-3.0", ("gnu general public license version 3", "29 june 2007")),
    ("GPL-2.0", ("gnu general public license version 2", "june 1991")),
    ("MPL-2.0", ("mozilla public license version 2.0",)),
    ("MPL-2.0", ("mozilla public license, v. 2.0",)),
    ("MPL-1.1", ("mozilla public license version 1.1",)),
    ("EPL-2.0", ("eclipse public license - v 2.0",)),
    ("EPL-1.0", ("eclipse public license - v 1.0",)),
    ("EUPL-1.2", ("european union public licence v. 1.2",)),
    ("CDDL-1.0", ("common development and distribution license", "version 1.0")),
    ("CC-BY-NC-4.0", ("attribution-noncommercial 4.0 international",)),
    ("CC-BY-NC-SA-4.0", ("attribution-noncommercial-sharealike 4.0 international",)),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international",)),
    ("CC-BY-4.0", ("attribution 4.0 international",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("Apache-2.0", ("apache license version 2.0", "terms and conditions for use, reproduction")),
    ("Apache-2.0", ("version 2.0, january 2004", "terms and conditions for use, reproduction")),
    ("Apache-2.0", ("licensed under the apache license version 2.0",)),
    ("Apache-1.1", ("apache software license version 1.1",)),
    ("BSL-1.0", ("boost software license - version 1.0",)),
    ("Artistic-2.0", ("the artistic license 2.0",)),
    ("OFL-1.1", ("sil open font license version 1.1",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("WTFPL", ("do what the fuck you want to public license",)),
    ("ZPL-2.1", ("zope public license (zpl) version 2.1",)),
    ("PSF-2.0", ("python software foundation license version 2",)),
    ("UPL-1.0", ("universal permissive license",)),
    ("NCSA", ("university of illinois/ncsa open source license",)),
    ("BlueOak-1.0.0", ("blue oak model license",)),
    ("MulanPSL-2.0", ("mulan permissive software license version 2",)),
    ("Zlib", ("this software is provided 'as-is', without any express or", "altered source versions must be")),
    ("BSD-4-Clause", ("redistributions of source code must retain", "all advertising materials mentioning")),
    ("BSD-3-Clause-Clear", ("redistributions of source code must retain", "no express or implied licenses")),
    (
        "BSD-3-Clause",
        ("redistributions of source code must retain", "redistributions in binary form must", "endorse or promote"),
    ),
    ("BSD-2-Clause", ("redistributions of source code must retain", "redistributions in binary form must")),
    ("BSD-1-Clause", ("redistributions of source code must retain",)),
    ("MIT-CMU", ("permission to use, copy, modify and distribute this software and its", "specific, written prior")),
    (
        "HPND",
        ("permission to use, copy, modify, and distribute this software and its", "supporting documentation"),
    ),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any", "the above copyright notice")),
    ("ISC", ("permission to use, copy, modify, and distribute this software for any", "the above copyright notice")),
    ("0BSD", ("permission to use, copy, modify, and/or distribute this software for any",)),
    (
        "MIT",
        ("permission is hereby granted, free of charge", "the above copyright notice and this permission notice"),
    ),
    ("MIT-0", ("permission is hereby granted, free of charge", "to deal in the software without restriction")),
)
"""(SPDX id, phrases of its text that must all be there). What begins first counts; at one place, what stands first
here. Phrases are quoted from the licences' own texts, from memory; the stage's test holds them against real files."""

NAMED = {
    "mit": "MIT", "mit license": "MIT", "the mit license": "MIT", "expat": "MIT", "mit/x11": "MIT", "x11": "X11",
    "apache": "Apache-2.0", "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache-2": "Apache-2.0",
    "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "apache 2.0 license": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0", "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "new bsd": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause", "3-clause bsd": "BSD-3-Clause", "bsd 3-clause license": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause", "modified bsd": "BSD-3-Clause", "bsd 2-clause": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause", "isc license": "ISC", "isc license (iscl)": "ISC", "isc": "ISC",
    "gplv2": "GPL-2.0", "gpl": "GPL-2.0-or-later", "gplv3": "GPL-3.0", "gpl-3": "GPL-3.0", "gplv3+":
    "GPL-3.0-or-later", "lgpl": "LGPL-2.1-or-later", "lgplv3": "LGPL-3.0", "lgplv3+": "LGPL-3.0-or-later",
    "mpl 2.0": "MPL-2.0", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "psf": "PSF-2.0",
    "psfl": "PSF-2.0", "python software foundation license": "PSF-2.0", "public domain": "LicenseRef-PublicDomain",
    "zpl 2.1": "ZPL-2.1", "zope public license": "ZPL-2.1", "the unlicense (unlicense)": "Unlicense", "zlib": "Zlib",
    "gnu general public license v2 (gplv2)": "GPL-2.0", "gnu general public license v3 (gplv3)": "GPL-3.0",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0-or-later",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "gnu affero general public license v3": "AGPL-3.0", "universal permissive license (upl)": "UPL-1.0",
}  # fmt: skip
"""What people write in `License:` and PyPI's classifiers, lower case → SPDX. Plain BSD is mostly the 3-clause."""

FILES = re.compile(r"(?i)^(?:un)?(?:licen[cs]es?|copying|copyright)(?:[-._].{0,40})?$")
"""Names of licence files (after Linguist's and go-license-detector's habit, from memory)."""

_NOT_TEXT = re.compile(r"(?i)\.(?:py|pyc|c|h|js|ts|go|rs|java|json|yaml|yml|toml|html|png|svg|xml|sh)$")
_HEADER = re.compile(rb"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-()][A-Za-z0-9.+\-() ]{0,120})")
_KNOWN = {name.lower(): name for name in {name for name, _ in _PHRASES} | PERMISSIVE}
_EXPRESSION = re.compile(r"[A-Za-z0-9.+\-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+\-]+)*")
_SPACE = re.compile(r"[\s*#/;\"`“”]+")


def is_licence(name: str) -> bool:
    """Whether a file's name (without folders) is a licence's."""
    return FILES.match(name) is not None and not _NOT_TEXT.search(name)


def of_text(text: str) -> str:
    """The licence of a licence file, '' where it is none that is known."""
    plain = _SPACE.sub(" ", text[:100_000]).lower().replace("‘", "'").replace("’", "'")
    plain = plain.replace("license, version", "license version")
    best, found = len(plain), ""
    for name, phrases in _PHRASES:
        at = plain.find(phrases[0], 0, best + len(phrases[0]))
        if 0 <= at < best and all(phrase in plain for phrase in phrases[1:]):
            best, found = at, name
    return found


def of_header(data: bytes) -> str:
    """The SPDX expression in the first 2,000 bytes of a file, '' where there is none."""
    match = _HEADER.search(data[:2_000])
    return of_name(match[1].decode("ascii")) if match else ""


def of_name(said: str) -> str:
    """The SPDX expression of what metadata says, '' where it says none that is known."""
    said = " ".join(said.strip().strip("\"'").split())
    if len(said) > 300:
        return of_text(said)
    low = said.lower()
    low = low.rpartition(" :: ")[2] if low.startswith("license") and "::" in low else low
    if low in NAMED:
        return NAMED[low]
    bare = said.replace("(", "").replace(")", "").strip()
    if low in _KNOWN or not _EXPRESSION.fullmatch(bare):
        return _KNOWN.get(low, "")
    parts = re.split(r" (AND|OR|WITH) ", bare)
    ids = [part for part in parts if part not in ("AND", "OR", "WITH")]
    looks = all("-" in part or part.lower() in _KNOWN or "WITH" in parts for part in ids)
    return said if looks else ""


def is_permissive(expression: str) -> bool:
    """Whether an SPDX expression can be met by permissive licences alone: some OR whose ANDs all are."""
    plain = expression.replace("(", " ").replace(")", " ")
    choices = [re.split(r" AND ", " ".join(choice.split())) for choice in plain.split(" OR ")]
    return any(all(part.partition(" WITH ")[0] in PERMISSIVE for part in choice) for choice in choices)
