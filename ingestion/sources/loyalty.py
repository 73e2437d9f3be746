"""Loyalty CRM: card-holding households and what is known of them, in PostgreSQL schema `loyalty`.

The contact columns of `households` are personal data (in the demo: synthetic). They stay in the CRM's staging models.
"""

from ingestion.connectors.source import database

SOURCE = database("loyalty", optional=True)
