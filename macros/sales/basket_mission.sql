{#
  What a shopping trip was for, by its size: the first rule that applies.
  units: whole items of the basket; products: different products with items; fuel_lines: lines sold by volume. Why these
  limits: docs/decisions/0031.
#}
{% macro basket_mission(units, products, fuel_lines) -%}
    case
        when {{ units }} = 0 and {{ fuel_lines }} > 0 then 'fuel'
        when {{ units }} = 0 then 'no_items'
        when {{ units }} = 1 then 'single_item'
        when {{ products }} < 10 then 'top_up'
        when {{ products }} < 25 then 'main_shop'
        else 'stock_up'
    end
{%- endmacro %}
