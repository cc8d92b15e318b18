"""DICOM Structured Reports made from results."""
