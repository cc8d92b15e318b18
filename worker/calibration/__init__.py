"""From cases with known truth to thresholds, with what they are worth; `echoworker calibrate`."""
