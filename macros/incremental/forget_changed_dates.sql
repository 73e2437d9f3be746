{#
  Pre-hook of a mart that is kept by as-of date: delete, in the model's own transaction, the dates that what it was built from
  no longer speaks for. A date is kept only while its fingerprint is the one that it was built with.
  dates: the relation that has one row and fingerprint per as-of date. fingerprint: the column of it that this mart goes by.
#}
{% macro forget_changed_dates(dates, fingerprint='fingerprint') %}
    {% if is_incremental() %}
        delete from observe.built_dates as built
        where
            built.model = '{{ this.identifier }}'
            and not exists (
                select 1
                from {{ dates }} as dates
                where
                    built.before_date = dates.before_date
                    and built.fingerprint = dates.{{ fingerprint }}
            );

        delete from {{ this }}
        where
            before_date not in (
                select built.before_date
                from observe.built_dates as built
                where built.model = '{{ this.identifier }}'
            )
    {% endif %}
{% endmacro %}
