{#
  Whose brand a product is. The master calls fuel and gift cards private: a tank of petrol is no private label, and a gift card
  is no product, so they are classes of their own.
    brand: of the product master, null where it gives none
    sold_as: of seed special_product_types, null for ordinary products
#}
{% macro brand_class(brand, sold_as) -%}
    case
        when {{ sold_as }} = 'volume' then 'Fuel'
        when {{ sold_as }} = 'gift_card' then 'Gift card'
        when {{ brand }} = 'Private' then 'Private label'
        else coalesce({{ brand }}, 'Unknown')
    end
{%- endmacro %}
