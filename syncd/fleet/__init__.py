"""Links dealt out to the processes of one PostgreSQL store.

Every process asks its share which links it may hold (`scheduler.ports.Share`);
that no link is ever in two processes is not decided here but by the store
(`store.members`), so that whatever goes wrong with an engine costs time and
never a record.

`dealer` has the links dealt out by procrastinate, in shards (`shards`), over
`connector` and the tables that `tables` makes; `oldest` gives every link to
the oldest process that knows it, without any engine. Imported only where a
PostgreSQL store is configured.
"""
