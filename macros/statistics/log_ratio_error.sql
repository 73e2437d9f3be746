{#
  Standard error of the logarithm of a ratio, sum(x) / sum(e), of which each cluster (a product, say) brings one x and one e:
  the linearised variance of a ratio estimator, sum((x - r * e)^2) / sum(x)^2 * n / (n - 1), written in sums of products. Give
  exact sums (whole numbers or decimals): only then does the outcome not depend on the order of rows. Null below two clusters
  or where nothing was counted.
  clusters: how many there are; x, e: sums of each; xx, xe, ee: sums of their products.
#}
{% macro log_ratio_error(clusters, x, e, xx, xe, ee) -%}
    sqrt(
        greatest(
            {{ xx }} - 2 * {{ quotient(x, e) }} * {{ xe }}
            + power({{ quotient(x, e) }}, 2) * {{ ee }},
            0
        )
        * {{ clusters }} / nullif({{ clusters }} - 1, 0)
    ) / nullif({{ x }}, 0)
{%- endmacro %}
