-- The ledger of migrations, before the first.
create schema if not exists drover;
create table drover.migrations (
	module text not null,
	version integer not null,
	name text not null,
	checksum text not null,
	applied_at timestamptz not null default now(),
	primary key (module, version)
);
comment on table drover.migrations is 'What drover migrate has applied.';
comment on column drover.migrations.module is 'Folder of the file under schema/.';
comment on column drover.migrations.version is 'Number of the file.';
comment on column drover.migrations.name is 'Name of the file.';
comment on column drover.migrations.checksum is 'SHA-256 of its text, hex.';
comment on column drover.migrations.applied_at is 'When.';
