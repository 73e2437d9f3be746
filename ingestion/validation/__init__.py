"""Check delivered rows against the contract: good ones go on, the others to the quarantine."""
