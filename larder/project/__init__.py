"""What the dbt project says: running dbt, its manifest, fingerprints of its nodes."""
