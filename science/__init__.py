"""What is learned from the marts outside of dbt: weights and a model, read-only and by fixed seeds.

`python -m science.offer_weights` and `python -m science.lapse`: each has `--help`.
"""
