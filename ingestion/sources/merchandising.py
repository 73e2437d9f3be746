"""Merchandising: the product and store masters, in PostgreSQL schema `merchandising`."""

from ingestion.connectors.source import database

SOURCE = database("merchandising")
