"""The text of reports in whatever they come: DICOM objects, PDF, plain text."""
