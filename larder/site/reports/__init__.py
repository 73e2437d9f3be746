"""Reports: pages as code, `reports/<name>.md`, made from the share of their audience."""
