"""From a multiframe DICOM file to the uint8 clip that the model sees."""
