{#
  Pre-hook of a mart that is kept by parts (days, weeks, as-of dates): delete, in the model's own transaction, those that are
  not what they were built from. A part is kept while its fingerprint is the one that it was built with; what has changed,
  or is no more, goes.
  fingerprints: a relation with a column `fingerprint`; part: the column of it, and of this mart, that names the part; rows
  of one part are taken together. fingerprint: another column to go by.
#}
{% macro forget_changed_parts(fingerprints, part, fingerprint='fingerprint') %}
    {% if is_incremental() %}
        delete from observe.built_parts as built
        where
            built.model = '{{ this.identifier }}'
            and (built.part, built.fingerprint) not in (
                select (cast({{ part }} as varchar), bit_xor({{ fingerprint }}))
                from {{ fingerprints }}
                group by {{ part }}
            );

        -- Named by part first: one text for each part, and not for each row.
        delete from {{ this }}
        where
            {{ part }} in (
                select held.{{ part }}
                from (select {{ part }} from {{ this }} group by {{ part }}) as held
                where
                    cast(held.{{ part }} as varchar) not in (
                        select built.part
                        from observe.built_parts as built
                        where built.model = '{{ this.identifier }}'
                    )
            )
    {% endif %}
{% endmacro %}
