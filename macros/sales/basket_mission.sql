{#
  What a shopping trip was for, by its size: the first rule that applies.
  units: whole items of the basket; products: different products with items; fuel_lines: lines sold by volume. Limits chosen
  on 2017, where they part the trips 9 : 10 : 50 : 20 : 10 and their sales 8 : 2 : 23 : 30 : 37.
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
