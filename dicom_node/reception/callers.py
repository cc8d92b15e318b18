"""Who called and what became of it, in bounded space, however many AE titles a flood invents.

Of each address the latest callers are kept by name, the others are counted together; and so are the addresses. A caller
is an AE title and an outcome: the reason of a refusal may quote an invented title as well.
"""

from collections.abc import Iterable
from dataclasses import replace

from db.lifecycle.received import ACCEPTED, ELSEWHERE, OTHER_AE_TITLES, Call

CALLERS_OF_ONE_ADDRESS = 20
ADDRESSES = 100
OTHER_REASONS = "refused, for various reasons"

_Caller = tuple[str, str]
"""AE title and outcome."""
_TOGETHER: tuple[_Caller, ...] = ((OTHER_AE_TITLES, ACCEPTED), (OTHER_AE_TITLES, OTHER_REASONS))


class CallTally:
    """Calls, by address and caller: no call is lost, only the name of who called."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._by_address: dict[str, dict[_Caller, Call]] = {}
        """Both in the order of their last call."""
        for call in calls:
            self.add(call)

    def __bool__(self) -> bool:
        return bool(self._by_address)

    def add(self, call: Call) -> None:
        """Count a call, or several."""
        callers = self._by_address.pop(call.address, {})
        self._by_address[call.address] = callers
        _count(callers, call)
        named = [caller for caller in callers if caller not in _TOGETHER]
        if len(named) > CALLERS_OF_ONE_ADDRESS:
            _count(callers, _nameless(callers.pop(named[0])))
        addresses = [address for address in self._by_address if address != ELSEWHERE]
        if len(addresses) > ADDRESSES:
            for forgotten in self._by_address.pop(addresses[0]).values():
                elsewhere = self._by_address.setdefault(ELSEWHERE, {})
                _count(elsewhere, replace(_nameless(forgotten), address=ELSEWHERE))

    def calls(self) -> list[Call]:
        """One for each caller."""
        return [call for callers in self._by_address.values() for call in callers.values()]


def _count(callers: dict[_Caller, Call], call: Call) -> None:
    caller = (call.ae_title, call.outcome)
    if (before := callers.pop(caller, None)) is not None:
        first_at, last_at = min(before.first_at, call.first_at), max(before.last_at, call.last_at)
        call = replace(before, count=before.count + call.count, first_at=first_at, last_at=last_at)
    callers[caller] = call


def _nameless(call: Call) -> Call:
    outcome = ACCEPTED if call.outcome == ACCEPTED else OTHER_REASONS
    return replace(call, ae_title=OTHER_AE_TITLES, outcome=outcome)
