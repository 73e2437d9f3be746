{#
  One number by which two groups of rows are compared: equal if they have the same values in these columns, in any order. An
  aggregate. Hashed twice: DuckDB mixes the last column into the hash of a row by exclusive or, so that the same change of it
  in two rows would cancel out.
  columns: a list of column names. Types count: cast where the two sides differ.
#}
{% macro fingerprint_of_rows(columns) -%}
    bit_xor({{ fingerprint_of_values([fingerprint_of_values(columns)]) }})
{%- endmacro %}
