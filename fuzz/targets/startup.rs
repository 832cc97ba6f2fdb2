//! A connection's first packets, cut anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use pgherd::proxy::settings::{difference, is_safe, read_options, set_config};
use pgherd::wire::ProtocolError;
use pgherd::wire::startup::{MAX_STARTUP_LEN, Opener, Opening, Startup, write_startup};

use super::pieces::Pieces;

/// The cuts, then what the client sends.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let cuts = pieces.piece();
    let stream = pieces.rest();
    for opening in open(stream, cuts) {
        if let Opening::Startup(startup) = opening {
            check(&startup);
        }
    }
    // Bytes behind a request for encryption are refused when they come together, and are the
    // next packet when they don't: so the two need not agree, but each byte by itself must do.
    open(stream, &[1]);
}

/// What a client says that is answered at once.
fn open(stream: &[u8], cuts: &[u8]) -> Vec<Opening> {
    let (mut opener, mut openings) = (Opener::default(), Vec::new());
    let (mut buffer, mut rest) = (BytesMut::new(), stream);
    let mut cuts = cuts.iter().cycle();
    loop {
        match opener.next(&mut buffer) {
            Ok(Some(opening)) => {
                let last = matches!(opening, Opening::Startup(_) | Opening::Cancel(_));
                openings.push(opening);
                assert!(openings.len() <= 3, "each kind of encryption is asked for once");
                if last {
                    return openings;
                }
                assert!(buffer.is_empty(), "plain text behind a request for encryption");
            }
            Ok(None) if rest.is_empty() => return openings,
            Ok(None) => {
                assert!(buffer.len() < MAX_STARTUP_LEN, "{} bytes are kept", buffer.len());
                let cut = cuts.next().map_or(rest.len(), |cut| usize::from(*cut));
                let here = cut.clamp(1, rest.len());
                buffer.extend_from_slice(&rest[..here]);
                rest = &rest[here..];
            }
            Err(error) => {
                fatal(&error);
                return openings;
            }
        }
    }
}

fn fatal(error: &ProtocolError) {
    assert!(error.fatal && error.sqlstate.len() == 5 && !error.message.is_empty(), "{error:?}");
}

/// A startup packet that was taken, written and read again; and the settings in it.
fn check(startup: &Startup) {
    let mut out = BytesMut::new();
    startup.negotiate(&mut out);
    let _ = (startup.user(), startup.database());
    let parameters = startup.parameters.iter().map(|(name, value)| (&**name, &**value));
    out.clear();
    write_startup(&mut out, parameters);
    let again = Opener::default().next(&mut out);
    if startup.protocol_options.is_empty() {
        let Ok(Some(Opening::Startup(again))) = again else { panic!("{again:?}") };
        assert_eq!(again.parameters, startup.parameters);
    }
    let mut settings = BTreeMap::new();
    for (name, value) in &startup.parameters {
        if &**name == "options"
            && let Ok(named) = read_options(value)
        {
            let named = named.into_iter().map(|(name, value)| {
                let sql = set_config(&name, &value);
                (name, sql)
            });
            settings.extend(named);
        }
        settings.insert(name.clone(), set_config(name, value));
    }
    let (none, settings) = (Arc::new(BTreeMap::new()), Arc::new(settings));
    let sql = difference(&none, &settings);
    // An encoding is set with the connection, not by a text.
    assert_eq!(sql.is_none(), settings.keys().all(|name| &**name == "client_encoding"));
    assert!(sql.is_none_or(|sql| !sql.contains(&0)), "a text for a server ends at its zero byte");
    assert_eq!(difference(&settings, &settings), None);
    let _ = is_safe(&none, &settings);
}
