"""Combinations of modalities as parameters name them: e.g. `CT_MR-T2_SPECT-Tc`."""

from collections.abc import Collection

from tfsdiff.data.slices import ANATOMICAL, FUNCTIONAL, in_order


def parse_combination(text: str, functional: Collection[str] = FUNCTIONAL) -> tuple[str, str, str]:
    """Split `text` into two anatomical modalities and one of `functional`.

    The anatomical ones may come in either order; they are returned in that of the slots.

    Raises:
        ValueError: it does not name them; says what to give.
    """
    names = text.split("_")
    valid = len(names) == 3 and {*names[:2]} <= {*ANATOMICAL} and names[2] in functional
    if not valid or names[0] == names[1]:
        raise ValueError(
            f"{text!r}: give two different ones of {', '.join(ANATOMICAL)} and one of "
            f"{', '.join(functional)}, joined by '_'"
        )
    first, second, last = names
    return (first, second, last) if in_order(first, second) else (second, first, last)
