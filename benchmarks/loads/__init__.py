"""What a lake of many small loads costs: `python -m benchmarks.loads`."""
