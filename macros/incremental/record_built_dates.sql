{#
  Post-hook of a mart that is kept by as-of date: remember, in the model's own transaction, which dates it now holds and the
  fingerprint of what each was built from. As for the loads, the memory sits beside the table and not in it.
  dates, fingerprint: as for `forget_changed_dates`.
#}
{% macro record_built_dates(dates, fingerprint='fingerprint') %}
    delete from observe.built_dates
    where model = '{{ this.identifier }}';

    insert into observe.built_dates (model, before_date, fingerprint)
    select
        '{{ this.identifier }}' as model,
        dates.before_date,
        dates.{{ fingerprint }} as fingerprint
    from {{ dates }} as dates
{% endmacro %}
