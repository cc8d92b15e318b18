"""Being seen by those who operate it: metrics, health and readiness over HTTP."""
