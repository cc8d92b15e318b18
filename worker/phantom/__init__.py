"""Synthetic echocardiography with a known truth: hearts, their pictures, and whole DICOM studies of them."""
