"""The DICOM conformance statement, made from what configures the node."""
