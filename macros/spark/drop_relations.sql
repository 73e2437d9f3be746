{#
  Drop tables and views of a candidate that are built anew, or are in the project no more.
    relations: as <schema>.<name>; what is not there is left out
#}
{% macro drop_relations(relations) %}
    {% for relation in relations %}
        {% set place = relation.split('.') %}
        {% set found = adapter.get_relation(database=none, schema=place[0], identifier=place[1]) %}
        {% if found %}{% do adapter.drop_relation(found) %}{% endif %}
    {% endfor %}
{% endmacro %}
