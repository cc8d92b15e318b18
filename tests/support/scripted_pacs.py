"""A PACS that does as a test tells it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from tests.support.scps import serving


@dataclass
class ScriptedPACS:
    """Answers with `statuses` in turn, and then with success; "abort" ends the association instead."""

    statuses: list[int | str] = field(default_factory=list)
    syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian,)
    classes: Sequence[str] = (Comprehensive3DSRStorage,)
    port: int = 0
    sent: list[str] = field(default_factory=list)
    """The SOP Instance UIDs of what came, in order."""
    has: dict[str, bytes] = field(default_factory=dict)
    """What it has accepted; an object under a UID that it has is answered as a duplicate."""
    associations: int = 0
    meanwhile: Callable[[str], None] = lambda _: None
    """Called with the SOP Instance UID of what has come, before it is answered."""

    @contextmanager
    def running(self) -> Iterator["ScriptedPACS"]:
        ae = AE(ae_title="STORESCP")
        for sop_class in self.classes:
            ae.add_supported_context(sop_class, list(self.syntaxes))
        handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_ACCEPTED, self._on_accepted)]
        with serving(ae, handlers, port=self.port) as self.port:
            yield self

    def _on_store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.sent.append(uid)
        self.meanwhile(uid)
        status = self.statuses.pop(0) if self.statuses else 0x0000
        if status == "keep and abort":
            self.has[uid] = event.encoded_dataset(include_meta=False)
        if isinstance(status, str):
            event.assoc.abort()
            return 0x0110
        if uid in self.has:
            return 0x0111
        if status == 0x0000:
            self.has[uid] = event.encoded_dataset(include_meta=False)
        return status

    def _on_accepted(self, _: evt.Event) -> None:
        self.associations += 1
