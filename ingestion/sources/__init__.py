"""One module per source system. Each declares its tables as Arrow schemas and yields them; none knows the lake."""
