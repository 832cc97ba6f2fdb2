//! The codecs against arbitrary bytes, and against themselves.

use bytes::{Buf, BufMut, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::backend::{self, Authentication, ErrorFields, Field, RowDescription, TransactionStatus};
use super::frame::{self, HEADER_LEN, Header, TagSet, Then, Walk};
use super::frontend::{self, Bind, Execute, Format, FunctionCall, Parse, SaslInitial, Target};
use super::startup::{CancelRequest, Opener, Opening, Version, write_cancel, write_startup};
use super::{ProtocolError, write};

/// The one frame in `buf`: its type and body.
fn only(buf: &[u8]) -> (u8, &[u8]) {
    match frame::first(buf, usize::MAX, "") {
        Ok(Some((frame, len))) if len == buf.len() => (frame.tag, frame.body),
        other => panic!("not one frame: {other:?} of {buf:?}"),
    }
}

/// Text without zero bytes, of a name's length.
fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(1u8.., 0..12)
}

#[test]
fn a_length_that_cannot_be_is_fatal() {
    for length in [[0, 0, 0, 0], [0, 0, 0, 3], [0xff, 0xff, 0xff, 0xff], [0x80, 0, 0, 0]] {
        let mut bytes = vec![b'Q'];
        bytes.extend(length);
        let error = Header::peek(&bytes).expect_err("refused");
        assert!(error.fatal && error.sqlstate == "08P01", "{error:?}");
    }
    assert_eq!(Header::peek(b"Q\0\0\0"), Ok(None));
    assert_eq!(Header::peek(b"S\0\0\0\x04"), Ok(Some(Header { tag: b'S', len: 5 })));
}

#[test]
fn a_message_over_its_bound_is_refused_by_its_header() {
    let header = |tag, len| Header { tag, len };
    assert_eq!(frontend::check_header(&header(b'Q', 1 << 20), 1 << 20), Ok(()));
    for (tag, len) in [(b'Q', (1 << 20) + 1), (b'D', 10_001), (b'S', 20_000), (b'y', 5), (0, 5)] {
        let error = frontend::check_header(&header(tag, len), 1 << 20).expect_err("refused");
        assert!(error.fatal && error.sqlstate == "08P01", "{error:?}");
    }
    let huge = [b'Q', 0x7f, 0xff, 0xff, 0xff, 0];
    assert!(frame::first(&huge, 1 << 20, "limits.message_size").is_err());
}

#[test]
fn malformed_messages_are_refused_without_losing_the_stream() {
    type Read = fn(&[u8]) -> Result<(), ProtocolError>;
    let parse: Read = |b| Parse::read(b).map(drop);
    let bind: Read = |b| Bind::read(b).map(drop);
    let cases: &[(Read, &[u8], &str)] = &[
        (parse, b"", "08P01"),
        (parse, b"s\0SELECT 1\0", "08P01"),
        (parse, b"s\0SELECT 1\0\0\x01\0\0\0", "08P01"),
        (parse, b"s\0SELECT 1\0\xff\xff", "08P01"),
        (parse, b"s\0SELECT 1\0\0\0x", "08P01"),
        (bind, b"\0\0\0\0\0\x01\0\0\0\x05abcd\0\0", "08P01"),
        (bind, b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", "08P01"),
        (bind, b"\0\0\0\x02\0\0\0\x01\0\x01\0\0\0\0\0\0", "08P01"),
        (bind, b"\0\0\0\x01\0\x02\0\0\0\0", "22023"),
        (bind, b"\0\0\0\0\xff\xff\0\0", "08P01"),
        (|b| frontend::query(b).map(drop), b"SELECT 1", "08P01"),
        (|b| frontend::query(b).map(drop), b"SELECT 1\0; DROP\0", "08P01"),
        (|b| Execute::read(b).map(drop), b"\0\0\0", "08P01"),
        (|b| frontend::read_describe(b).map(drop), b"", "08P01"),
        (|b| frontend::read_close(b).map(drop), b"Xname\0", "08P01"),
        (|b| frontend::check_empty(b, "Sync"), b"x", "08P01"),
    ];
    for (read, body, sqlstate) in cases {
        let error = read(body).expect_err("refused");
        assert_eq!((error.sqlstate, error.fatal), (*sqlstate, false), "{body:?}: {error}");
    }
}

#[test]
fn formats_stand_for_none_one_or_each() {
    let body = |formats: &[u16], values: usize| {
        let mut b = BytesMut::new();
        b.put_slice(b"\0\0");
        b.put_u16(formats.len() as u16);
        formats.iter().for_each(|f| b.put_u16(*f));
        b.put_u16(values as u16);
        (0..values).for_each(|_| b.put_i32(-1));
        b.put_u16(0);
        b
    };
    let formats_of = |formats: &[u16], values| {
        let body = body(formats, values);
        let bind = Bind::read(&body).expect("well formed");
        (0..values).map(|i| bind.parameter_formats.of(i)).collect::<Vec<_>>()
    };
    use Format::{Binary, Text};
    assert_eq!(formats_of(&[], 2), [Text, Text]);
    assert_eq!(formats_of(&[1], 2), [Binary, Binary]);
    assert_eq!(formats_of(&[0, 1], 2), [Text, Binary]);
}

#[test]
fn command_tags_count_rows() {
    let rows = |tag: &str| backend::command_rows(tag.as_bytes());
    assert_eq!(rows("INSERT 0 7"), Some(7));
    assert_eq!(rows("SELECT 18446744073709551615"), Some(u64::MAX));
    assert_eq!(rows("SELECT 18446744073709551616"), None);
    assert_eq!(rows("CREATE TABLE"), None);
    assert_eq!(rows("BEGIN"), None);
    assert_eq!(rows("7"), None);
    assert_eq!(rows("COPY "), None);
}

#[test]
fn an_error_of_ours_reads_back() {
    let mut out = BytesMut::new();
    let error = ProtocolError::fatal("a\0b").with_hint("do this");
    let report = backend::Report { position: Some(12), ..backend::Report::from(&error) };
    backend::report(&mut out, &report);
    let (tag, body) = only(&out);
    let fields = ErrorFields::read(body).expect("well formed");
    assert_eq!(tag, backend::tag::ERROR_RESPONSE);
    assert_eq!(fields.severity(), b"FATAL");
    assert_eq!(fields.sqlstate(), b"08P01");
    assert_eq!(fields.message(), b"a", "cut at the zero byte, the rest of the message whole");
    assert_eq!(fields.get(b'H'), Some(&b"do this"[..]));
    assert_eq!(fields.get(b'P'), Some(&b"12"[..]));
    assert_eq!(fields.get(b'D'), None);
}

fn open(bytes: &[u8]) -> Result<Option<Opening>, ProtocolError> {
    Opener::default().next(&mut BytesMut::from(bytes))
}

#[test]
fn a_connection_opens_as_postgres_has_it() {
    let mut buf = BytesMut::new();
    buf.put_slice(&[0, 0, 0, 8, 4, 210, 22, 47]);
    let mut opener = Opener::default();
    assert_eq!(opener.next(&mut buf), Ok(Some(Opening::TlsRequest)));
    write_startup(&mut buf, [("user", "u"), ("application_name", "é"), ("user", "v")]);
    let Ok(Some(Opening::Startup(startup))) = opener.next(&mut buf) else { panic!("no startup") };
    assert_eq!(startup.user(), Ok("v"), "the later one counts");
    assert_eq!(startup.database(), Ok("v"));
    assert_eq!(startup.get("application_name"), Some("??"));
    assert!(buf.is_empty());

    buf.put_slice(&[0, 0, 0, 8, 4, 210, 22, 47]);
    let again = opener.next(&mut buf).expect_err("asked twice");
    assert!(again.fatal && again.sqlstate == "0A000", "{again:?}");
}

#[test]
fn bytes_before_the_answer_to_an_encryption_request_are_refused() {
    let error = open(&[0, 0, 0, 8, 4, 210, 22, 47, b'x']).expect_err("refused");
    assert!(error.fatal && error.sqlstate == "08P01", "{error:?}");
}

#[test]
fn odd_first_packets_are_refused() {
    for (bytes, sqlstate) in [
        (&[0, 0, 0, 7, 0, 3, 0][..], "08P01"),
        (&[0, 0, 0x27, 0x11, 0, 3, 0, 0], "08P01"),
        (&[0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0], "08P01"),
        (&[0, 0, 0, 8, 0, 2, 0, 0], "0A000"),
        (&[0, 0, 0, 8, 0, 3, 0, 0], "08P01"),
        (&[0, 0, 0, 10, 0, 3, 0, 0, b'u', 0], "08P01"),
        (&[0, 0, 0, 10, 0, 3, 0, 0, 0, 0], "08P01"),
        (&[0, 0, 0, 12, 4, 210, 22, 46, 0, 0, 0, 1], "08P01"),
    ] {
        let error = open(bytes).expect_err("refused");
        assert_eq!((error.sqlstate, error.fatal), (sqlstate, true), "{bytes:?}: {error}");
    }
    // GET / HTTP/1.1
    assert!(open(b"GET / HT").is_err());
    assert_eq!(open(&[0, 0, 0, 9, 0, 3, 0, 0]), Ok(None));
}

#[test]
fn a_newer_minor_version_and_options_are_negotiated_down() {
    let answer = |minor: u32, options: &[u8]| {
        let mut packet = BytesMut::new();
        write::unlabelled(&mut packet, |b| {
            b.put_u32((3 << 16) | minor);
            b.put_slice(options);
            b.put_slice(b"user\0u\0\0");
        });
        let Ok(Some(Opening::Startup(startup))) = open(&packet) else { panic!("no startup") };
        assert_eq!((u32::from(startup.minor), startup.user()), (minor, Ok("u")));
        let mut out = BytesMut::new();
        startup.negotiate(&mut out);
        (startup.version(), out)
    };
    for (minor, version, told) in [
        (0, Version::V3_0, &b""[..]),
        (1, Version::V3_0, b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0"),
        (2, Version::V3_2, b""),
        (3, Version::V3_2, b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0"),
        (9999, Version::V3_2, b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0"),
    ] {
        assert_eq!(answer(minor, b""), (version, BytesMut::from(told)), "3.{minor}");
    }
    let (version, told) = answer(2, b"_pq_.later\0on\0_pq_.x\0\0");
    assert_eq!(version, Version::V3_2);
    assert_eq!(&told[..], b"v\0\0\0\x1e\0\x03\0\x02\0\0\0\x02_pq_.later\0_pq_.x\0");
    let (version, told) = answer(0, b"_pq_.x\0\0");
    assert_eq!(version, Version::V3_0);
    assert_eq!(&told[..], b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0");
}

/// A stream of frames with type bytes of `tags`.
fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    vec((prop::sample::select(&b"DDDDTZSECn"[..]), vec(any::<u8>(), 0..40)), 0..20)
}

proptest! {
    #[test]
    fn a_walk_in_pieces_passes_every_byte_and_stops_at_each_frame_to_look_at(
        frames in frames(),
        cuts in vec(1usize..30, 1..60),
    ) {
        const LOOK: TagSet = TagSet::of(b"ZSE");
        let mut stream = BytesMut::new();
        for (tag, body) in &frames {
            write::frame(&mut stream, *tag, |b| b.put_slice(body));
        }
        let (whole, mut walk) = (stream.clone(), Walk::default());
        let (mut buf, mut seen, mut looked) = (BytesMut::new(), Vec::new(), Vec::new());
        for cut in cuts.iter().cycle() {
            buf.extend_from_slice(&stream.split_to((*cut).min(stream.len())));
            loop {
                let run = walk.run(&buf, &LOOK, 1000, "a bound").expect("well formed");
                seen.extend_from_slice(&buf.split_to(run.pass));
                let Then::Look(header) = run.then else { break };
                prop_assert!(LOOK.contains(header.tag) && walk.at_boundary());
                let frame = buf.split_to(header.len);
                looked.push((header.tag, frame[HEADER_LEN..].to_vec()));
                seen.extend_from_slice(&frame);
            }
            if stream.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&seen[..], &whole[..]);
        prop_assert!(buf.is_empty() && walk.at_boundary());
        let expected: Vec<_> =
            frames.into_iter().filter(|(tag, _)| LOOK.contains(*tag)).collect();
        prop_assert_eq!(looked, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..80), cuts in vec(0usize..9, 1..9)) {
        if let Ok(bind) = Bind::read(&body) {
            prop_assert_eq!(bind.values.iter().count(), bind.values.len());
            (0..9).for_each(|i| {
                bind.values.get(i);
                bind.result_formats.of(i);
            });
        }
        if let Ok(parse) = Parse::read(&body) {
            prop_assert_eq!(parse.types.iter().len(), parse.types.len());
        }
        if let Ok(rows) = RowDescription::read(&body) {
            prop_assert_eq!(rows.iter().count(), rows.len());
        }
        if let Ok(fields) = ErrorFields::read(&body) {
            let _ = (fields.severity(), fields.sqlstate(), fields.message());
        }
        if let Ok(Authentication::Sasl(names)) = Authentication::read(&body) {
            let _ = names.iter().count();
        }
        let _ = (frontend::query(&body), Execute::read(&body), FunctionCall::read(&body));
        let _ = (frontend::read_describe(&body), frontend::read_close(&body));
        let _ = (SaslInitial::read(&body), frontend::password(&body));
        let _ = (frontend::copy_fail_reason(&body), backend::read_ready(&body));
        let _ = (backend::read_parameter_status(&body), backend::read_backend_key(&body));
        let _ = (backend::read_parameter_description(&body), backend::read_data_row(&body));
        let _ = backend::read_command_complete(&body).map(backend::command_rows);
        let _ = (open(&body), frame::first(&body, 1000, "a bound"));
        let mut walk = Walk::default();
        let mut rest = &body[..];
        for cut in cuts {
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            if walk.run(piece, &TagSet::of(b"Z"), 20, "a bound").is_err() {
                break;
            }
            rest = later;
        }
    }

    /// Bytes that are nearly a message reach deeper than arbitrary ones.
    #[test]
    fn a_damaged_message_never_panics(
        values in vec(option::of(vec(any::<u8>(), 0..6)), 0..5),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        end in any::<prop::sample::Index>(),
    ) {
        let values: Vec<_> = values.iter().map(|v| v.as_deref()).collect();
        let mut out = BytesMut::new();
        frontend::bind(&mut out, b"p", b"s", Format::Binary, &values, Format::Text).expect("few");
        backend::data_row(&mut out, values.iter().copied());
        out.advance(HEADER_LEN);
        let at = at.index(out.len());
        out[at] = byte;
        let end = end.index(out.len());
        let _ = Bind::read(&out[..end]).map(|bind| bind.values.iter().count());
        let _ = backend::read_data_row(&out[..end]).map(|row| row.iter().count());
        let _ = RowDescription::read(&out[..end]);
    }

    #[test]
    fn a_renamed_parse_differs_in_its_name_only(
        old in name(), new in name(), query in name(), types in vec(any::<u32>(), 0..5),
    ) {
        let (mut first, mut second) = (BytesMut::new(), BytesMut::new());
        frontend::parse(&mut first, &old, &query, &types).expect("few types");
        let before = Parse::read(only(&first).1).expect("well formed");
        before.write_as(&mut second, &new);
        let after = Parse::read(only(&second).1).expect("well formed");
        prop_assert_eq!(before.name, &old[..]);
        prop_assert_eq!(after, Parse { name: &new, ..before });
        prop_assert_eq!(after.types.iter().collect::<Vec<_>>(), types);
    }

    #[test]
    fn a_renamed_bind_keeps_its_values(
        portal in name(), statement in name(), new in name(),
        values in vec(option::of(vec(any::<u8>(), 0..20)), 0..9),
    ) {
        let values: Vec<_> = values.iter().map(|v| v.as_deref()).collect();
        let (mut first, mut second) = (BytesMut::new(), BytesMut::new());
        frontend::bind(&mut first, &portal, &statement, Format::Binary, &values, Format::Text)
            .expect("few values");
        let before = Bind::read(only(&first).1).expect("well formed");
        prop_assert_eq!(before.values.iter().collect::<Vec<_>>(), &values[..]);
        prop_assert_eq!((before.portal, before.statement), (&portal[..], &statement[..]));
        before.write_as(&mut second, &portal, &new);
        let after = Bind::read(only(&second).1).expect("well formed");
        prop_assert_eq!(after, Bind { statement: &new, ..before });
    }

    #[test]
    fn small_messages_read_back(name in name(), rows in any::<i32>(), secret in vec(any::<u8>(), 4..=256)) {
        let mut out = BytesMut::new();
        frontend::execute(&mut out, &name, rows);
        prop_assert_eq!(Execute::read(only(&out).1), Ok(Execute { portal: &name, max_rows: rows }));
        for target in [Target::Prepared(&name), Target::Portal(&name)] {
            out.clear();
            frontend::close(&mut out, target);
            prop_assert_eq!(frontend::read_close(only(&out).1), Ok(target));
            out.clear();
            frontend::describe(&mut out, target);
            prop_assert_eq!(frontend::read_describe(only(&out).1), Ok(target));
        }
        out.clear();
        write_cancel(&mut out, rows, &secret);
        let expected = CancelRequest { pid: rows, secret: secret.clone().into() };
        prop_assert_eq!(open(&out), Ok(Some(Opening::Cancel(expected))));
        out.clear();
        backend::backend_key(&mut out, rows, &secret);
        prop_assert_eq!(backend::read_backend_key(only(&out).1), Ok((rows, &secret[..])));
        out.clear();
        backend::parameter_status(&mut out, &name, &name);
        prop_assert_eq!(backend::read_parameter_status(only(&out).1), Ok((&name[..], &name[..])));
        for status in
            [TransactionStatus::Idle, TransactionStatus::InTransaction, TransactionStatus::Failed]
        {
            out.clear();
            backend::ready(&mut out, status);
            prop_assert_eq!(backend::read_ready(only(&out).1), Ok(status));
        }
    }

    #[test]
    fn results_of_ours_read_back(
        columns in vec((name(), any::<u32>(), any::<i16>(), any::<i32>(), any::<bool>()), 0..6),
        values in vec(option::of(vec(any::<u8>(), 0..9)), 0..6),
    ) {
        let fields: Vec<Field<'_>> = columns
            .iter()
            .map(|(name, oid, number, type_mod, binary)| Field {
                name,
                table_oid: *oid,
                attnum: *number,
                type_oid: *oid,
                type_len: *number,
                type_mod: *type_mod,
                format: if *binary { Format::Binary } else { Format::Text },
            })
            .collect();
        let mut out = BytesMut::new();
        backend::row_description(&mut out, &fields);
        let read = RowDescription::read(only(&out).1).expect("well formed");
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), fields);
        out.clear();
        backend::data_row(&mut out, values.iter().map(|v| v.as_deref()));
        let read = backend::read_data_row(only(&out).1).expect("well formed");
        prop_assert_eq!(
            read.iter().map(|v| v.map(<[u8]>::to_vec)).collect::<Vec<_>>(),
            values
        );
    }
}
