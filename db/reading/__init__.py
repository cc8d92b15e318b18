"""The read side, for people and programs: worklist, pages, queries, search, cases for calibration."""
