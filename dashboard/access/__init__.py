"""Who may see and do what: accounts, sessions, roles, forms that cannot be forged, headers, the audit trail."""
