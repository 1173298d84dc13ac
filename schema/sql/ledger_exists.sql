-- Whether the database has a ledger of migrations.
select to_regclass('drover.migrations') is not null as there
