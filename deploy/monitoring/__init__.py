"""How others see an installation, and whom it tells.

server, metrics     health, readiness and metrics over HTTP; known is what all of these read
conditions          what may be wrong
alerts, telling     who is told, and how; working_time says when
"""
