"""The result of a study as messages for systems that take no DICOM: FHIR R4 and HL7 v2.5.1 (docs/messages.md)."""
