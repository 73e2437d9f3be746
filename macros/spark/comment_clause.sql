{# No comments: see persist_docs. #}
{% macro spark__comment_clause() %}{% endmacro %}
