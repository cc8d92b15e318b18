"""How the installation is doing: figures, sums, alerts, drift, canaries, clocks, callers, nightly duties."""
