"""Results of former models, catalogues and calibrations are answered anew, beside the current ones."""
