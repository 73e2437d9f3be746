"""Loyalty CRM: card-holding households and what is known of them, in PostgreSQL schema `loyalty`.

The contact columns of `households` are personal data (in the demo: synthetic). They go to the restricted zone, past the lake.
"""

from ingestion.connectors.source import database

SOURCE = database("loyalty", optional=True)
