//! What the rows of several shards look like: the same on all of them.

use bytes::BytesMut;

use crate::proxy::failure::Failure;
use crate::wire::backend::{self, Field, RowDescription};
use crate::wire::frontend::Format;

/// `FirstNormalObjectId`: what users make has OIDs from here on, each server its own.
const FIRST_OF_USERS: u32 = 16384;

/// Whether two shards' rows look alike; else, what the client is told.
pub fn compare(
    first: (&str, RowDescription<'_>),
    other: (&str, RowDescription<'_>),
) -> Result<(), Failure> {
    let ((here, first), (there, other)) = (first, other);
    let differ = |what: String| {
        Failure::unsupported(
            format!("{what} on shard {there} and on shard {here}"),
            "Have the same schema on all shards: `pgherd check` says what differs.",
        )
    };
    if first.len() != other.len() {
        return Err(differ("the result has another number of columns".into()));
    }
    for (a, b) in first.iter().zip(other.iter()) {
        let name = String::from_utf8_lossy(a.name);
        let of_users = a.type_oid >= FIRST_OF_USERS && b.type_oid >= FIRST_OF_USERS;
        let alike = a.type_oid == b.type_oid || of_users;
        if a.name != b.name || !alike || a.type_mod != b.type_mod || a.format != b.format {
            return Err(differ(format!("column \"{name}\" of the result isn't the same")));
        }
        if a.type_oid != b.type_oid && a.format == Format::Binary {
            return Err(Failure::unsupported(
                format!(
                    "column \"{name}\" is asked for in binary, and its type has another OID on shard \
                     {there} than on shard {here}"
                ),
                "Ask for it in text, or cast it: the OID may stand inside its values.",
            ));
        }
    }
    Ok(())
}

/// Appends the RowDescription that the client gets: without the last columns.
pub fn describe(out: &mut BytesMut, description: RowDescription<'_>, hidden: usize) {
    let fields: Vec<Field<'_>> = description.iter().collect();
    backend::row_description(out, &fields[..fields.len().saturating_sub(hidden)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(fields: &[Field<'_>]) -> BytesMut {
        let mut out = BytesMut::new();
        backend::row_description(&mut out, fields);
        out.split_off(5)
    }

    fn compared(a: Field<'_>, b: Field<'_>) -> Result<(), String> {
        let (a, b) = (description(&[a]), description(&[b]));
        let read = |body| RowDescription::read(body).unwrap();
        compare(("s1", read(&a)), ("s2", read(&b))).map_err(|failure| failure.message)
    }

    #[test]
    fn types_must_be_the_same_and_tables_need_not() {
        let field = Field::text("a");
        assert_eq!(compared(field, Field { table_oid: 7, attnum: 3, ..field }), Ok(()));
        for other in [
            Field { type_oid: 1043, ..field },
            Field { type_mod: 5, ..field },
            Field { name: b"b", ..field },
        ] {
            let said = "column \"a\" of the result isn't the same on shard s2 and on shard s1";
            assert_eq!(compared(field, other), Err(said.into()));
        }
        let (one, two) = (Field { type_oid: 20_000, ..field }, Field { type_oid: 20_001, ..field });
        assert_eq!(compared(one, two), Ok(()));
        assert!(compared(field, one).is_err());
        let binary = |field| Field { format: Format::Binary, ..field };
        assert!(compared(binary(one), binary(two)).is_err_and(|said| said.contains("binary")));
        assert_eq!(compared(binary(one), binary(one)), Ok(()));
    }
}
