{#
  Whose brand a product is. The master calls fuel private: a tank of petrol is no private label, so it is a separate class.
  brand: as in dim_products; is_volume: sold by volume.
#}
{% macro brand_class(brand, is_volume) -%}
    case
        when {{ is_volume }} then 'Fuel'
        when {{ brand }} = 'Private' then 'Private label'
        else {{ brand }}
    end
{%- endmacro %}
