"""How many injected faults the anomaly checks find, and how often they are wrong."""
