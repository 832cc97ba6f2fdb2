use proptest::prelude::*;

use super::*;

pub fn text() -> Dialect {
    Dialect {
        delimiter: b'\t',
        null: b"\\N".as_slice().into(),
        default: None,
        header: false,
        csv: None,
        marker: true,
        marker_inside: true,
    }
}

pub fn csv() -> Dialect {
    let quotes = Quotes { quote: b'"', escape: b'"' };
    Dialect { delimiter: b',', null: Box::default(), csv: Some(quotes), ..text() }
}

fn field(field: usize) -> Wanted {
    Wanted { field, force_not_null: false, force_null: false }
}

/// Cuts what comes in pieces: each part as its kind, its bytes, and the wanted fields.
fn cut(form: &Form, wanted: &[Wanted], pieces: &[&[u8]]) -> Vec<String> {
    let mut splitter = Splitter::new(form.clone(), wanted, 1 << 20);
    let mut carried: Vec<u8> = Vec::new();
    let mut out = Vec::new();
    let mut all = 0;
    for (number, piece) in pieces.iter().chain([&&b""[..]]).enumerate() {
        carried.extend_from_slice(piece);
        let ended = number == pieces.len();
        let mut at = 0;
        while let Some(part) = splitter.next(&carried[at..], ended).unwrap() {
            let front = &carried[at..];
            let (kind, len, breaks) = match part {
                Part::Head(len, breaks) => ("head", len, breaks),
                Part::Row(len, breaks) => ("row", len, breaks),
                Part::Tail(len) => ("tail", len, Breaks::default()),
                Part::Ignored(len) => ("ignored", len, Breaks::default()),
                Part::Refused(len) => ("refused", len, Breaks::default()),
            };
            let mut said = format!("{kind} {}", front[..len].escape_ascii());
            if breaks != Breaks::default() {
                said.push_str(&format!(" ({} {})", breaks.newlines, breaks.returns));
            }
            if kind == "row" {
                for place in 0..wanted.len() {
                    said.push_str(&match splitter.field(front, place) {
                        Field::Missing => " missing".into(),
                        Field::Null => " null".into(),
                        Field::Default => " default".into(),
                        Field::Value(value) => format!(" <{}>", value.escape_ascii()),
                    });
                }
            }
            all += len;
            at += len;
            // In pieces, the last part may be told piece by piece.
            let again = matches!(kind, "ignored" | "refused");
            if !(again && out.last().is_some_and(|last: &String| last.starts_with(kind))) {
                out.push(if again { kind.into() } else { said });
            }
            if kind == "refused" {
                return out;
            }
        }
        carried.drain(..at);
    }
    assert!(carried.is_empty(), "left over: {}", carried.escape_ascii());
    assert_eq!(all, pieces.iter().map(|piece| piece.len()).sum::<usize>());
    out
}

fn lines(dialect: Dialect, wanted: &[usize], input: &str) -> Vec<String> {
    let wanted: Vec<Wanted> = wanted.iter().map(|at| field(*at)).collect();
    cut(&Form::Lines(dialect), &wanted, &[input.as_bytes()])
}

#[test]
fn text_is_cut_at_line_ends_and_delimiters_without_a_backslash() {
    for (input, parts) in [
        ("1\ta\n2\tb\n", &["row 1\\ta\\n <1>", "row 2\\tb\\n <2>"][..]),
        ("1\ta\r\n2\tb\r\n", &["row 1\\ta\\r\\n <1>", "row 2\\tb\\r\\n <2>"]),
        ("1\ta\r2\tb", &["row 1\\ta\\r <1>", "row 2\\tb <2>"]),
        ("1\\\t2\tb\n", &["row 1\\\\\\t2\\tb\\n <1\\t2>"]),
        ("1\\\n2\tb\n3\n", &["row 1\\\\\\n2\\tb\\n <1\\n2>", "row 3\\n <3>"]),
        ("\\N\t1\n\\\\N\n\n", &["row \\\\N\\t1\\n null", "row \\\\\\\\N\\n <\\\\N>", "row \\n <>"]),
        ("\\061\\x32\\63\\x\\q\\b\n", &["row \\\\061\\\\x32\\\\63\\\\x\\\\q\\\\b\\n <123xq\\x08>"]),
        ("1\n\\.\nanything", &["row 1\\n <1>", "ignored"]),
        ("1\n2\\.\n3\n", &["row 1\\n <1>", "row 2 <2>", "ignored"]),
        ("1\n\\.", &["row 1\\n <1>", "refused"]),
        ("1\n\\.x\n", &["row 1\\n <1>", "refused"]),
        ("1\n\\.\r\n", &["row 1\\n <1>", "refused"]),
        ("1\n2\r\n", &["row 1\\n <1>", "refused"]),
        ("1\r\n2\n", &["row 1\\r\\n <1>", "refused"]),
        ("1\r\n2\r3\r\n", &["row 1\\r\\n <1>", "refused"]),
        ("1\r2\n", &["row 1\\r <1>", "refused"]),
        ("1\\", &["row 1\\\\ <1>"]),
    ] {
        assert_eq!(lines(text(), &[0], input), parts, "{input:?}");
    }
    let header = Dialect { header: true, ..text() };
    assert_eq!(lines(header, &[0], "a\n1\n"), ["head a\\n", "row 1\\n <1>"]);
    let later = Dialect { marker_inside: false, ..text() };
    assert_eq!(lines(later.clone(), &[0], "2\\.\n"), ["refused"]);
    assert_eq!(lines(later, &[0], "\\.\n"), ["ignored"]);
}

#[test]
fn fields_are_told_by_their_numbers() {
    let row = "a\tb\t\\N\td\n";
    assert_eq!(
        lines(text(), &[3, 1, 2, 4], row),
        ["row a\\tb\\t\\\\N\\td\\n <d> <b> null missing"]
    );
    let defaults = Dialect { default: Some(b"\\D".as_slice().into()), ..text() };
    assert_eq!(lines(defaults, &[0], "\\D\tx\n"), ["row \\\\D\\tx\\n default"]);
}

#[test]
fn csv_goes_on_in_quotes() {
    for (input, parts) in [
        (
            "1,\"a\nb\"\n2,c\n",
            &["row 1,\\\"a\\nb\\\"\\n (1 0) <1> <a\\nb>", "row 2,c\\n <2> <c>"][..],
        ),
        ("\"1\",\"x\"\"y\"\n", &["row \\\"1\\\",\\\"x\\\"\\\"y\\\"\\n <1> <x\\\"y>"]),
        ("1\"2\"3,\n", &["row 1\\\"2\\\"3,\\n <123> null"]),
        (",\"\"\n", &["row ,\\\"\\\"\\n null <>"]),
        ("1,\"a\n", &["refused"]),
        ("1,a\n\\.\nxyz\n", &["row 1,a\\n <1> <a>", "ignored"]),
        ("1,a\n\\.x,b\n", &["row 1,a\\n <1> <a>", "row \\\\.x,b\\n <\\\\.x> <b>"]),
        ("1,a\n\\.\r\n", &["row 1,a\\n <1> <a>", "refused"]),
        ("\\.", &["row \\\\. <\\\\.> missing"]),
        ("1,a\r\n2\n", &["row 1,a\\r\\n <1> <a>", "refused"]),
        (
            "1,\"\r\n\"\r\n2,b\r\n",
            &["row 1,\\\"\\r\\n\\\"\\r\\n (1 1) <1> <\\r\\n>", "row 2,b\\r\\n <2> <b>"],
        ),
    ] {
        assert_eq!(lines(csv(), &[0, 1], input), parts, "{input:?}");
    }
    let later = Dialect { marker: false, ..csv() };
    assert_eq!(lines(later, &[0], "\\.\n"), ["row \\\\.\\n <\\\\.>"]);
    let other = Dialect { csv: Some(Quotes { quote: b'\'', escape: b'\\' }), ..csv() };
    assert_eq!(
        lines(other, &[0, 1], "'a\\'\nb','\\\\'\n'c',d\\e\n"),
        [
            "row \\'a\\\\\\'\\nb\\',\\'\\\\\\\\\\'\\n (1 0) <a\\'\\nb> <\\\\>",
            "row \\'c\\',d\\\\e\\n <c> <d\\\\e>"
        ]
    );
}

#[test]
fn csv_may_take_null_otherwise_in_a_column() {
    let form = Form::Lines(Dialect { null: b"-".as_slice().into(), ..csv() });
    let not_null = Wanted { force_not_null: true, ..field(0) };
    let null = Wanted { force_null: true, ..field(1) };
    assert_eq!(cut(&form, &[not_null, null], &[b"-,\"-\"\n"]), ["row -,\\\"-\\\"\\n <-> null"]);
}

fn binary(rows: &[&[Option<&[u8]>]], end: &[u8]) -> Vec<u8> {
    let mut out = binary::SIGNATURE.to_vec();
    out.extend([0, 0, 0, 0, 0, 0, 0, 2, b'x', b'y']);
    for row in rows {
        out.extend((row.len() as i16).to_be_bytes());
        for field in *row {
            out.extend(field.map_or(-1, |field| field.len() as i32).to_be_bytes());
            out.extend(field.unwrap_or_default());
        }
    }
    out.extend(end);
    out
}

#[test]
fn binary_rows_say_how_long_they_are() {
    let form = Form::Binary { columns: 2 };
    let wanted = [field(1), field(0)];
    let kinds = |input: &[u8]| {
        let parts = cut(&form, &wanted, &[input]);
        let short = |part: &String| {
            let words: Vec<&str> = part.split(' ').collect();
            words.iter().filter(|w| !w.contains('\\')).copied().collect::<Vec<_>>().join(" ")
        };
        parts.iter().map(short).collect::<Vec<_>>()
    };
    let rows: &[&[Option<&[u8]>]] = &[&[Some(b"k1"), None], &[Some(b""), Some(b"v")]];
    let good = ["head", "row null <k1>", "row <v> <>"];
    assert_eq!(kinds(&binary(rows, b"")), good);
    assert_eq!(kinds(&binary(rows, b"\xff\xff"))[..3], good);
    assert_eq!(kinds(&binary(rows, b"\xff\xff")).len(), 4);
    // One byte is no count: as at the end of a file.
    assert_eq!(kinds(&binary(rows, b"\0")).last().unwrap(), "ignored");
    for end in [
        &b"\xff\xff\0"[..],
        b"\0\x01",
        b"\0\x02\0\0\0\x05k",
        b"\xff\xfe",
        b"\0\x02\xff\xff\xff\xfe",
    ] {
        assert_eq!(kinds(&binary(rows, end)).last().unwrap(), "refused", "{end:?}");
    }
    assert_eq!(kinds(b"PGCOPX"), ["refused"]);
    assert_eq!(kinds(b"PGCOPY\n"), ["refused"]);
    let mut oids = binary(rows, b"");
    oids[12] = 1;
    assert_eq!(kinds(&oids), ["refused"]);
}

#[test]
fn a_row_has_a_bound() {
    let long = |form: Form, input: &[u8], ended: bool| {
        let mut splitter = Splitter::new(form, &[field(0)], 10);
        splitter.next(input, ended)
    };
    assert_eq!(long(Form::Lines(text()), b"12345678901", false), Err(TooLong(10)));
    assert_eq!(long(Form::Lines(text()), b"1234567890\n", false), Err(TooLong(10)));
    assert_eq!(long(Form::Lines(text()), b"1234567890", false), Ok(None));
    let mut splitter = Splitter::new(Form::Binary { columns: 1 }, &[field(0)], 30);
    let mut input = binary(&[], b"\0\x01\x7f\xff\xff\xff1");
    assert!(matches!(splitter.next(&input, false), Ok(Some(Part::Head(21, _)))));
    // Known by what it says of itself, before it is there.
    assert_eq!(splitter.next(&input.split_off(21), false), Err(TooLong(30)));
}

fn pieces<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for cut in cuts.into_iter().chain([input.len()]) {
        pieces.push(&input[from..cut]);
        from = cut;
    }
    pieces
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let bytes: &[u8] = b"1ab\t,\"'\\.\\.\n\n\r\r\n0x-";
    proptest::collection::vec(proptest::sample::select(bytes), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_is_all_the_same_in_what_pieces_it_comes(
        input in soup(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        kind in 0..5usize,
    ) {
        let form = match kind {
            0 => Form::Lines(text()),
            1 => Form::Lines(csv()),
            2 => Form::Lines(Dialect { header: true, ..csv() }),
            3 => Form::Lines(Dialect {
                csv: Some(Quotes { quote: b'\'', escape: b'\\' }), ..csv()
            }),
            _ => Form::Lines(Dialect { null: b"-".as_slice().into(), ..text() }),
        };
        let wanted = [field(1), field(0)];
        let whole = cut(&form, &wanted, &[&input]);
        prop_assert_eq!(cut(&form, &wanted, &pieces(&input, &cuts)), whole);
    }

    #[test]
    fn binary_too(
        rows in proptest::collection::vec(proptest::option::of(".{0,9}"), 0..9),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        end in proptest::sample::select(vec![&b"\xff\xff"[..], b"", b"\0", b"\0\x01", b"\xff\xff1"]),
    ) {
        let rows: Vec<[Option<&[u8]>; 2]> =
            rows.iter().map(|row| [Some(&b"k"[..]), row.as_ref().map(|v| v.as_bytes())]).collect();
        let rows: Vec<&[Option<&[u8]>]> = rows.iter().map(|row| &row[..]).collect();
        let input = binary(&rows, end);
        let form = Form::Binary { columns: 2 };
        let whole = cut(&form, &[field(1)], &[&input]);
        prop_assert_eq!(cut(&form, &[field(1)], &pieces(&input, &cuts)), whole);
    }
}

/// What each message of a COPY TO in binary holds.
fn messages(rows: usize) -> Vec<usize> {
    let mut writer = Writer::new(&Form::Binary { columns: 1 }, &Forced::None, &[b"a"]).unwrap();
    let mut out = bytes::BytesMut::new();
    writer.begin(&mut out, &[b"a"]);
    (0..rows).for_each(|_| writer.row(&mut out, b"\0\x01\0\0\0\x01k").unwrap());
    writer.end(&mut out);
    let mut lengths = Vec::new();
    while let Some((_, body)) = crate::wire::frame::take(&mut out, 100, "a test").unwrap() {
        lengths.push(body.len());
    }
    lengths
}

#[test]
fn the_binary_header_comes_with_the_first_row_or_with_the_end() {
    const BEGIN: usize = 5;
    const HEADER: usize = 19;
    assert_eq!(messages(2), [BEGIN, HEADER + 7, 7, 2, 0]);
    assert_eq!(messages(0), [BEGIN, HEADER + 2, 0]);
}
