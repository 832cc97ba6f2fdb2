//! Bytes ⇄ frames ⇄ messages; startup, authentication, cancel. No SQL.
