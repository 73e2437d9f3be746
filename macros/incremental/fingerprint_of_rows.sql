{#
  One number that tells whether two groups of rows hold the same values in these columns, in whatever order: an aggregate.
  columns: a list of column names. Types count: cast where the two sides differ.
#}
{% macro fingerprint_of_rows(columns) -%}
    bit_xor(hash({{ columns | join(', ') }}))
{%- endmacro %}
