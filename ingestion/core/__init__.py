"""What all of ingestion stands on: errors, files, SQL, requests, sources. Knows nothing of dlt."""
