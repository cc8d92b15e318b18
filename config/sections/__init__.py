"""The sections of the settings, each with what may stand in it; `config.settings` puts them together.

Beside them what several are made of: `credentials`, `time_window`, `report_objects`.
"""
