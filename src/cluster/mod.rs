//! Shards and nodes as they are now: pools, health, schema. Knows no client.
