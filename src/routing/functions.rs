//! What a function call can do beyond computing from its arguments.

use crate::config::rules::Rules;
use crate::sql::{Function, Name};

use super::clock::is_given_time;
use super::refusal::Refusal;
use super::schema::{Schema, Volatility};

/// What a call means for the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Computes from its arguments and nothing else.
    None,
    /// Another result at each call: rows may not be left out of where it stands.
    Volatile,
    /// Volatile and listed in the rules: may write rows of the statement's own shard.
    Vouched,
    /// Tells something of the server or the catalogs: best asked where they are read, when
    /// nothing else decides.
    AskHome,
    /// Reads or writes what lies on the home shard.
    NeedHome,
    /// pg_notify: said where its transaction is, since who listens does so on all shards.
    Notifies,
    /// nextval, setval: the sequence of record lies on the home shard.
    Sequence,
    /// currval, lastval: what this session did, in this transaction.
    SessionState,
    /// set_config: the third argument says for how long.
    SetConfig,
    Refused(Refusal),
}

/// Functions that run SQL given as text, or read tables given by name.
const READS_BY_NAME: &[&str] = &[
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "ts_stat",
    // With two arguments the second is a query; the form with three isn't told apart.
    "ts_rewrite",
    "dblink",
    "dblink_exec",
    "dblink_open",
    "dblink_send_query",
    "crosstab",
    "crosstabn",
    "connectby",
    "xpath_table",
    "brin_summarize_new_values",
    "brin_summarize_range",
    "brin_desummarize_range",
    "gin_clean_pending_list",
    "pg_logical_slot_get_changes",
    "pg_logical_slot_get_binary_changes",
    "pg_logical_slot_peek_changes",
    "pg_logical_slot_peek_binary_changes",
];

/// What lies on one server and can't be somewhere else.
const NEED_HOME: &[&str] = &[
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_shared",
    "pg_advisory_unlock_all",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "loread",
    "lowrite",
    "pg_export_snapshot",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_logical_emit_message",
    "pg_sequence_last_value",
    "pg_sequence_parameters",
    "pg_get_serial_sequence",
];

/// Volatile, and harmless: no table behind them.
const VOLATILE: &[&str] = &[
    "random",
    "random_normal",
    "setseed",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
];

/// Catalog functions under a name of their own.
const ASK_HOME: &[&str] = &[
    "obj_description",
    "col_description",
    "shobj_description",
    "format_type",
    "txid_current",
    "txid_current_if_assigned",
    "txid_current_snapshot",
    "txid_status",
    "inet_server_addr",
    "inet_server_port",
    "current_schemas",
    "row_security_active",
    "to_regclass",
    "to_regtype",
    "to_regproc",
    "to_regprocedure",
    "to_regnamespace",
    "to_regrole",
    "to_regoper",
    "to_regoperator",
];

/// `pg_…` functions that any server answers alike, or that are pure.
const PURE_PG: &[&str] = &[
    "pg_typeof",
    "pg_column_size",
    "pg_column_compression",
    "pg_size_pretty",
    "pg_size_bytes",
    "pg_client_encoding",
    "pg_backend_pid",
    "pg_is_in_recovery",
    "pg_trigger_depth",
    "pg_jit_available",
    "pg_my_temp_schema",
    "pg_conf_load_time",
    "pg_postmaster_start_time",
    "pg_char_to_encoding",
    "pg_encoding_to_char",
    "pg_input_is_valid",
];

/// Classifies a call by its name. Unqualified names are looked for in pg_catalog and in all
/// schemas of the snapshot that are on the path; the worst of them counts.
pub(super) fn effect(
    name: &Name,
    schema: &Schema,
    rules: &Rules,
    search_path: &[Box<str>],
) -> Effect {
    let in_catalog = match name.schema.as_deref() {
        None | Some("pg_catalog") => catalog_effect(&name.name),
        Some("information_schema") => return Effect::AskHome,
        Some(_) => Effect::None,
    };
    if !matches!(in_catalog, Effect::None) {
        return in_catalog;
    }
    // What migrations/ installs reads the placement only, and that is the same on all shards.
    let own = name.schema.as_deref() == Some("pgherd")
        && matches!(&*name.name, "position_of" | "slot_of" | "shard_of");
    if name.schema.as_deref() == Some("pg_catalog") || own || vouched_for(name, rules) {
        return Effect::None;
    }
    let facts = schema.functions.get(&name.name).map(Vec::as_slice).unwrap_or(&[]);
    let worst = facts
        .iter()
        .filter(|fact| match &name.schema {
            Some(schema) => fact.schema == *schema,
            None => search_path.contains(&fact.schema),
        })
        .filter(|fact| &*fact.schema != "pg_catalog")
        .map(|fact| fact.volatility)
        .max();
    match worst {
        Some(Volatility::Immutable) => Effect::None,
        Some(Volatility::Stable) if vouched_for(name, rules) => Effect::None,
        None | Some(Volatility::Volatile) if vouched_for(name, rules) => Effect::Vouched,
        None => Effect::None,
        Some(Volatility::Stable | Volatility::Volatile) => {
            Effect::Refused(Refusal::function(&name.name))
        }
    }
}

/// Whether the rules say that a function touches its shard's rows only.
pub(super) fn vouched_for(name: &Name, rules: &Rules) -> bool {
    rules.functions.iter().any(|listed| match listed.split_once('.') {
        Some((schema, function)) => {
            function == &*name.name
                && name.schema.as_deref().is_none_or(|written| written == schema)
        }
        None => **listed == *name.name,
    })
}

fn catalog_effect(name: &str) -> Effect {
    match name {
        "nextval" | "setval" => Effect::Sequence,
        "pg_notify" => Effect::Notifies,
        "currval" | "lastval" => Effect::SessionState,
        "set_config" => Effect::SetConfig,
        name if READS_BY_NAME.contains(&name) => Effect::Refused(Refusal::function_reads(name)),
        name if NEED_HOME.contains(&name) || name.starts_with("lo_") => Effect::NeedHome,
        name if VOLATILE.contains(&name) => Effect::Volatile,
        name if PURE_PG.contains(&name) => Effect::None,
        name if ASK_HOME.contains(&name) => Effect::AskHome,
        name if name.starts_with("pg_") => Effect::AskHome,
        name if name.starts_with("has_") && name.ends_with("_privilege") => Effect::AskHome,
        _ => Effect::None,
    }
}

/// Whether a function is one of Postgres's own for large objects, which lie on the home shard,
/// by the number that it has in every version.
pub fn is_of_large_objects(oid: u32) -> bool {
    matches!(
        oid,
        // lo_create, lo_import, lo_export, lo_import with a number of one's own
        715 | 764 | 765 | 767
        // lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_unlink, lo_truncate
        | 952..=958 | 964 | 1004
        // lo_lseek64, lo_tell64, lo_truncate64, lo_from_bytea, lo_get twice, lo_put
        | 3170..=3172 | 3457..=3460
    )
}

/// Postgres's own aggregates (of 14 to 18).
const AGGREGATES: &[&str] = &[
    "any_value",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "cume_dist",
    "dense_rank",
    "every",
    "json_agg",
    "json_agg_strict",
    "json_arrayagg",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_object_agg_unique_strict",
    "json_objectagg",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_object_agg",
    "jsonb_object_agg_strict",
    "jsonb_object_agg_unique",
    "jsonb_object_agg_unique_strict",
    "max",
    "min",
    "mode",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "range_agg",
    "range_intersect_agg",
    "rank",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    "xmlagg",
];

/// Whether a call of this name may be of an aggregate: of Postgres's own, or of any
/// function that somebody defined.
pub(super) fn may_aggregate(name: &Name, schema: &Schema) -> bool {
    if is_given_time(name) {
        return false;
    }
    is_defined(name, schema)
        || AGGREGATES.binary_search(&&*name.name).is_ok()
        || name.schema.as_deref().is_some_and(|schema| schema != "pg_catalog")
}

/// Whether an aggregate has one result whatever the order of its rows, and the same on two servers
/// with the same rows. (Sums of `real` and `double precision` don't, and the types aren't known here.)
pub(super) fn is_steady_aggregate(call: &Function) -> bool {
    const STEADY: &[&str] =
        &["bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "count", "every", "max", "min"];
    call.name.as_ref().is_some_and(|name| STEADY.contains(&&*name.name))
}

/// Whether somebody defined a function of this name, in whatever schema.
pub(super) fn is_defined(name: &Name, schema: &Schema) -> bool {
    schema
        .functions
        .get(&name.name)
        .is_some_and(|facts| facts.iter().any(|fact| &*fact.schema != "pg_catalog"))
}
