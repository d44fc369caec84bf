"""Which of several documents is kept."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import TEXT
from hornbook.core.errors import UserError


def preference(documents: pa.Table, keep: str, prefer: Literal["high", "low"], use: str) -> NDArray[np.float64]:
    """A number for each document, the higher the better; a missing value is the worst.

    Args:
        keep: first, longest, or a column of numbers.
        prefer: which values of that column are better.
        use: the stage, for messages.

    Raises:
        UserError: there is no such column, or it holds no numbers.
    """
    if keep == "first":
        return np.zeros(documents.num_rows)
    if keep == "longest":
        lengths: NDArray[np.float64] = (
            pc.fill_null(pc.binary_length(documents.column(TEXT)), 0).to_numpy().astype(float)
        )
        return lengths
    if keep not in documents.column_names:
        raise UserError(f"{use}: no column `{keep}`", fix="keep: first, longest, or a mark that a step above makes")
    try:
        values = documents.column(keep).cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise UserError(f"{use}: `{keep}` is no number: {error}", fix="keep: a column of numbers") from error
    found: NDArray[np.float64] = np.nan_to_num(values if prefer == "high" else -values, nan=-np.inf)
    return found
