"""The time zone that an instance names for its dates and times (PS3.3 section C.12.1.1.9)."""

import re
from datetime import timedelta, timezone

_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")


def zone_named(offset: str) -> timezone | None:
    """The zone that a value of Timezone Offset From UTC stands for, as "+0200"; None where it stands for none."""
    found = _OFFSET.fullmatch(offset.strip())
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-ahead if sign == "-" else ahead)
