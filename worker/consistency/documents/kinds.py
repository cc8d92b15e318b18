"""What the bytes of a report are."""

from enum import StrEnum


class ReportKind(StrEnum):
    """What the bytes of a report are."""

    HL7 = "hl7"
    TEXT = "text"
    PDF = "pdf"
    DICOM = "dicom"

    @classmethod
    def of(cls, content: bytes) -> "ReportKind":
        """By what the bytes begin with (PS3.10 section 7.1; ISO 32000; HL7 v2 messages and batches); else text."""
        if content[128:132] == b"DICM":
            return cls.DICOM
        if b"%PDF-" in content[:1024]:
            return cls.PDF
        if content.lstrip(b"\x0b\r\n\t \xef\xbb\xbf").startswith((b"MSH", b"FHS", b"BHS")):
            return cls.HL7
        return cls.TEXT
