{#
  One number for the key of a row, to be added up into a checksum that the ingestion computes in the same way: the product
  of each column's remainder, plus one, by a prime near a million. Two sums agree by chance once in about 10^12.
  columns: the columns of the key, integers that are not negative.
#}
{% macro key_number(columns) -%}
    {% for column in columns %}cast({{ column }} % 1048573 + 1 as bigint){{ ' * ' if not loop.last }}{% endfor %}
{%- endmacro %}
