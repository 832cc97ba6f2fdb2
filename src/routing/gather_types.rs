//! How a column's values travel from a shard to the server that finishes a statement.

use super::schema::Column;

/// How the values of one column travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// In binary, which says all of a value whatever the settings: the array that they are bound
    /// as has these types.
    Binary { element: u32, array: u32 },
    /// As text, that is read as the column's type again. `styled`: settings may keep a part of a
    /// value out of it.
    Text { styled: bool },
}

const TEXT: (u32, u32) = (25, 1009);

/// Types whose binary form is all of a value, hangs on no setting and holds no OID, and the types
/// of their arrays: they have these numbers in every version.
const BINARY: &[(u32, u32)] = &[
    (16, 1000),   // bool
    (17, 1001),   // bytea
    (18, 1002),   // "char"
    (19, 1003),   // name
    (20, 1016),   // int8
    (21, 1005),   // int2
    (23, 1007),   // int4
    TEXT,         // text
    (26, 1028),   // oid
    (114, 199),   // json
    (600, 1017),  // point
    (601, 1018),  // lseg
    (602, 1019),  // path
    (603, 1020),  // box
    (604, 1027),  // polygon
    (628, 629),   // line
    (650, 651),   // cidr
    (700, 1021),  // float4
    (701, 1022),  // float8
    (718, 719),   // circle
    (774, 775),   // macaddr8
    (790, 791),   // money
    (829, 1040),  // macaddr
    (869, 1041),  // inet
    (1042, 1014), // bpchar
    (1043, 1015), // varchar
    (1082, 1182), // date
    (1083, 1183), // time
    (1114, 1115), // timestamp
    (1184, 1185), // timestamptz
    (1186, 1187), // interval
    (1266, 1270), // timetz
    (1560, 1561), // bit
    (1562, 1563), // varbit
    (1700, 1231), // numeric
    (2950, 2951), // uuid
    (3220, 3221), // pg_lsn
    (3614, 3643), // tsvector
    (3802, 3807), // jsonb
    (3904, 3905), // int4range
    (3906, 3907), // numrange
    (3908, 3909), // tsrange
    (3910, 3911), // tstzrange
    (3912, 3913), // daterange
    (3926, 3927), // int8range
];

impl Carried {
    /// How values of a type travel in binary, where they can.
    pub fn in_binary(type_oid: u32) -> Option<Carried> {
        let (element, array) = BINARY.iter().find(|(oid, _)| *oid == type_oid)?;
        Some(Carried::Binary { element: *element, array: *array })
    }

    /// How this column's values travel; `None` where they are other ones on another server.
    pub(super) fn of(column: &Column) -> Option<Carried> {
        if let Some((element, array)) = BINARY.iter().find(|(oid, _)| *oid == column.type_oid) {
            return Some(Carried::Binary { element: *element, array: *array });
        }
        // OIDs of what users make.
        let of_oids = column.type_name.trim_start_matches('_').starts_with("reg");
        (!of_oids).then_some(Carried::Text { styled: !column.is_enum })
    }

    /// The types of the elements and of the array that values are bound as.
    pub fn bound(self) -> (u32, u32) {
        match self {
            Carried::Binary { element, array } => (element, array),
            Carried::Text { .. } => TEXT,
        }
    }

    /// Whether a shard sends them in binary.
    pub fn is_binary(self) -> bool {
        matches!(self, Carried::Binary { .. })
    }
}
