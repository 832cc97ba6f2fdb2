//! Bodies of messages, of clients and of servers: what is read lies within the body, and what
//! is written of it reads the same.

use bytes::BytesMut;
use pgherd::wire::ProtocolError;
use pgherd::wire::backend::{self, Authentication, ErrorFields, RowDescription};
use pgherd::wire::frame::{self, Frame};
use pgherd::wire::frontend::{
    self, Bind, Execute, Formats, FunctionCall, Parse, SaslInitial, Target, Values, tag,
};

use super::pieces::Pieces;

const MAX: usize = 1 << 20;

/// A byte that chooses the reader, then the body.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let (choice, body) = (pieces.byte(), pieces.rest());
    let read = match choice % 32 {
        0 => frontend::query(body).map(|text| within(text, body)),
        1 => Parse::read(body).map(|parse| same_parse(&parse, body)),
        2 => Bind::read(body).map(|bind| same_bind(&bind, body)),
        3 => frontend::read_describe(body).map(|target| same_target(target, tag::DESCRIBE)),
        4 => frontend::read_close(body).map(|target| same_target(target, tag::CLOSE)),
        5 => Execute::read(body).map(|execute| same_execute(&execute)),
        6 => FunctionCall::read(body)
            .map(|call| all_of(&call.arguments, &call.argument_formats, body)),
        7 => frontend::copy_fail_reason(body).map(|reason| within(reason, body)),
        8 => frontend::password(body).map(|password| within(password, body)),
        9 => SaslInitial::read(body).map(|initial| {
            within(initial.mechanism, body);
            within(initial.response.unwrap_or_default(), body);
        }),
        10 => frontend::check_empty(body, "a test").map(|()| assert!(body.is_empty())),
        11 => backend::read_ready(body).map(|status| assert_eq!([status.byte()], body)),
        12 => ErrorFields::read(body).map(|fields| same_fields(&fields, body)),
        13 => backend::read_parameter_status(body).map(|(name, value)| {
            within(name, body);
            within(value, body);
        }),
        14 => backend::read_backend_key(body).map(|(_, secret)| within(secret, body)),
        15 => Authentication::read(body).map(|question| match question {
            Authentication::Sasl(names) => names.iter().for_each(|name| within(name, body)),
            Authentication::SaslContinue(data) | Authentication::SaslFinal(data) => {
                within(data, body);
            }
            _ => {}
        }),
        16 => RowDescription::read(body).map(|row| {
            assert_eq!(row.iter().count(), row.len());
            row.iter().for_each(|field| within(field.name, body));
        }),
        17 => backend::read_parameter_description(body).map(|types| {
            assert_eq!(types.iter().len(), types.len());
        }),
        18 => backend::read_data_row(body).map(|row| all_of(&row, &Formats::default(), body)),
        19 => backend::read_command_complete(body).map(|text| {
            within(text, body);
            let _ = backend::command_rows(text);
        }),
        _ => frame::first(body, MAX, "a test").map(|first| {
            if let Some((frame, len)) = first {
                assert!(len <= body.len());
                within(frame.body, body);
            }
        }),
    };
    if let Err(error) = read {
        check_error(&error);
    }
}

fn check_error(error: &ProtocolError) {
    assert_eq!(error.sqlstate.len(), 5);
    assert!(!error.message.is_empty());
}

/// The part is a part of the whole, or empty.
fn within(part: &[u8], whole: &[u8]) {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    assert!(part.is_empty() || whole.start <= part.start && part.end <= whole.end);
}

/// The one frame that was written.
fn written(write: impl FnOnce(&mut BytesMut), check: impl FnOnce(Frame<'_>)) {
    let mut out = BytesMut::new();
    write(&mut out);
    let (frame, len) = frame::first(&out, usize::MAX, "a test").expect("ours").expect("whole");
    assert_eq!(len, out.len());
    check(frame);
}

fn same_parse(parse: &Parse<'_>, body: &[u8]) {
    within(parse.name, body);
    within(parse.query, body);
    let types: Vec<u32> = parse.types.iter().collect();
    assert_eq!(parse.types.get(types.len()), None);
    written(
        |out| parse.write_as(out, parse.name),
        |frame| assert_eq!((frame.tag, frame.body), (tag::PARSE, body)),
    );
    written(
        |out| frontend::parse(out, b"other", parse.query, &types).expect("as many as came"),
        |frame| {
            let again = Parse::read(frame.body).expect("ours");
            assert_eq!((again.name, again.query), (&b"other"[..], parse.query));
            assert_eq!(again.types, parse.types);
        },
    );
}

fn same_bind(bind: &Bind<'_>, body: &[u8]) {
    all_of(&bind.values, &bind.parameter_formats, body);
    within(bind.tail, body);
    written(
        |out| bind.write_as(out, bind.portal, bind.statement),
        |frame| assert_eq!((frame.tag, frame.body), (tag::BIND, body)),
    );
    written(
        |out| bind.write_as(out, b"p", b"s"),
        |frame| {
            let again = Bind::read(frame.body).expect("ours");
            assert_eq!((again.portal, again.statement), (&b"p"[..], &b"s"[..]));
            assert_eq!(again.tail, bind.tail);
        },
    );
}

fn all_of(values: &Values<'_>, formats: &Formats<'_>, body: &[u8]) {
    assert_eq!(values.iter().count(), values.len());
    for (i, value) in values.iter().enumerate() {
        within(value.unwrap_or_default(), body);
        let _ = formats.of(i);
    }
    let last = values.len().saturating_sub(1);
    assert_eq!(values.get(last), values.iter().last());
    assert_eq!(values.get(values.len()), None);
}

fn same_target(target: Target<'_>, tag: u8) {
    let write = |out: &mut BytesMut| match tag {
        tag::CLOSE => frontend::close(out, target),
        _ => frontend::describe(out, target),
    };
    written(write, |frame| {
        let again = match tag {
            tag::CLOSE => frontend::read_close(frame.body),
            _ => frontend::read_describe(frame.body),
        };
        assert_eq!(again.expect("ours"), target);
    });
}

fn same_execute(execute: &Execute<'_>) {
    written(
        |out| frontend::execute(out, execute.portal, execute.max_rows),
        |frame| assert_eq!(Execute::read(frame.body).expect("ours"), *execute),
    );
}

fn same_fields(fields: &ErrorFields<'_>, body: &[u8]) {
    for (code, text) in fields.iter() {
        within(text, body);
        assert!(fields.get(code).is_some());
    }
    for text in [fields.severity(), fields.sqlstate(), fields.message()] {
        assert!(text.len() <= body.len());
    }
}
