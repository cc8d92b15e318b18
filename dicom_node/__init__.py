"""The DICOM side: reception into the spool, reports, delivery."""
