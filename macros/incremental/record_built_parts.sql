{#
  Post-hook of a mart that is kept by parts (days, weeks, as-of dates): remember, in the model's own transaction, which it
  now holds, and the fingerprint of what each was built from. As for the loads, the memory sits beside the table and not
  in it.
  fingerprints, part, fingerprint: as for `forget_changed_parts`.
#}
{% macro record_built_parts(fingerprints, part, fingerprint='fingerprint') %}
    delete from observe.built_parts
    where model = '{{ this.identifier }}';

    insert into observe.built_parts (model, part, fingerprint)
    select
        '{{ this.identifier }}' as model,
        cast({{ part }} as varchar) as part,
        bit_xor({{ fingerprint }}) as fingerprint
    from {{ fingerprints }}
    group by {{ part }}
{% endmacro %}
