{#
  Everything that a source delivered is in quarantine, or in the lake, in staging and in the mart: rows, keys and money of every
  business day or load.
  Fails? The test names the day and the stage. Look at it in observe.ledger; where the mart is short,
  `larder build --all` fixes it; where the lake is, a file has been changed or lost: load its days again, `larder ingest SOURCE --from DAY --to DAY`.
#}
with ledger as (
    select * from {{ ref('ledger') }}
),

final as (
    select
        missing,
        source_system,
        table_name,
        period
    from ledger
    where not is_accounted_for
)

select * from final
