{#
  One value by which two groups of rows are compared: equal if they add up to the same for every key, whether or not the rows
  are aggregated by the key already. An aggregate. The sums of each key are weighted by its hash: one half of it for the first
  of `sums`, the other half for the rest. Two different groups agree by chance about once in 10^18.
    key: a list of columns
    sums: expressions for whole numbers, in the same order on both sides; the first is never null, such as a count
#}
{% macro fingerprint_of_sums(key, sums) -%}
    (
        {% for expression in sums -%}
            sum({{ half_of_fingerprint(key, loop.first) }} * cast({{ expression }} as bigint)){{ ', ' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
