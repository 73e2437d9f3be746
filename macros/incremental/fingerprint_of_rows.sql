{#
  One number that tells whether two groups of rows hold the same values in these columns, in whatever order: an aggregate.
  Hashed twice: the hash of a row is that of its last column mixed in by exclusive or, so that one change of it in two rows
  would cancel itself out.
  columns: a list of column names. Types count: cast where the two sides differ.
#}
{% macro fingerprint_of_rows(columns) -%}
    bit_xor(hash(hash({{ columns | join(', ') }})))
{%- endmacro %}
