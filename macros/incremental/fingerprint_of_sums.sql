{#
  One value that tells whether two groups of rows add up to the same for every key, whether or not their rows are added up
  by it already: an aggregate. Each key weighs what is added up with numbers of its own: one half of its hash for the first of
  `sums`, the other half for the rest. A change is seen whatever it is, but for a chance of about 1 in 10^18.
    key: columns of the key, as SQL
    sums: expressions for whole numbers, in the same order on both sides; first one that no row lacks, such as a count
#}
{% macro fingerprint_of_sums(key, sums) -%}
    (
        {% for expression in sums -%}
            sum(
                cast({{ 'hash(' ~ key ~ ') & 2147483647' if loop.first else 'hash(' ~ key ~ ') >> 33' }} as bigint)
                * cast({{ expression }} as bigint)
            ){{ ', ' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
