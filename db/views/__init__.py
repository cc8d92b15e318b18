"""The views that dashboards read, the role that may, and the reference of all tables and views."""
