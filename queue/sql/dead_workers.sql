-- Whether any worker's lease has run out.
select exists (select from drover.workers w where w.lease_until <= now()) as any
