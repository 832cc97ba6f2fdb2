//! What a load balancer says before all else: however it is cut, the same bytes are the header's,
//! and they say the same.

use pgherd::wire::ProtocolError;
use pgherd::wire::proxy_protocol::{Header, HeaderReader};

use super::pieces::Pieces;

/// More than the longest header has.
const MAX: usize = 5000;

/// The cuts, then what is sent.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let cuts = pieces.piece();
    let stream = pieces.rest();
    let whole = read(stream, &[]);
    assert_eq!(whole, read(stream, cuts), "cut at {cuts:?}");
    assert_eq!(whole, read(stream, &[1]), "cut everywhere");
    if let Some((Err(error), _)) = whole {
        assert!(error.fatal && error.sqlstate == "08P01");
    }
}

/// What the header says, and its length; `None` where it isn't whole.
fn read(stream: &[u8], cuts: &[u8]) -> Option<(Result<Header, ProtocolError>, usize)> {
    let (mut reader, mut at) = (HeaderReader::default(), 0);
    let mut cuts = cuts.iter().cycle();
    loop {
        let wanted = match reader.wants() {
            Ok(0) => return Some((reader.finish(), at)),
            Ok(wanted) => wanted,
            Err(error) => return Some((Err(error), at)),
        };
        assert!(at + wanted < MAX, "{at} and {wanted} more");
        let come = cuts.next().map_or(wanted, |cut| usize::from(*cut).clamp(1, wanted));
        let bytes = stream.get(at..at + come.min(stream.len() - at)).filter(|b| !b.is_empty())?;
        reader.take(bytes);
        at += bytes.len();
    }
}
