//! The PROXY protocol (haproxy.org, proxy-protocol.txt): before anything else, a load balancer
//! says for whom it speaks. Version 1 is a line of text, version 2 is binary.
//!
//! Nothing behind the header may be read together with it, since a TLS handshake follows on the
//! socket itself: [`HeaderReader::wants`] says how many bytes are surely the header's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::ProtocolError;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Longest line of version 1, its end included.
const LINE_MAX: usize = 107;
/// What version 2 may have behind its fixed part: addresses and notes, such as the subject of a
/// client's certificate. The protocol itself would allow 64 KB to whoever connects.
const REST_MAX: usize = 4096;

/// Reads one header, a few bytes at a time.
#[derive(Debug, Default)]
pub struct HeaderReader {
    read: Vec<u8>,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The client's own address.
    For(SocketAddr),
    /// The connection is the sender's own, such as a health check, or the address is of a kind
    /// that says nothing here.
    Own,
}

impl HeaderReader {
    /// How many bytes to read next; 0 when the header is whole.
    ///
    /// # Errors
    /// It isn't a header.
    pub fn wants(&self) -> Result<usize, ProtocolError> {
        let read = &self.read;
        // No header of either version is shorter than the signature.
        if read.len() < SIGNATURE.len() {
            return Ok(SIGNATURE.len() - read.len());
        }
        if read.starts_with(SIGNATURE) {
            let Some(&[.., high, low]) = read.first_chunk::<FIXED>() else {
                return Ok(FIXED - read.len());
            };
            let rest = usize::from(u16::from_be_bytes([high, low]));
            if rest > REST_MAX {
                return Err(malformed(&format!("it has {rest} bytes, more than {REST_MAX}")));
            }
            return Ok((FIXED + rest).saturating_sub(read.len()));
        }
        if !read.starts_with(b"PROXY ") {
            return Err(ProtocolError::fatal(
                "the connection does not begin with a PROXY protocol header",
            ));
        }
        match read.iter().position(|byte| *byte == b'\n') {
            Some(_) => Ok(0),
            None if read.len() < LINE_MAX => Ok(1),
            None => Err(malformed("its line has no end")),
        }
    }

    /// Takes what was read, which is no more than was wanted.
    pub fn take(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// What it says, once it is whole.
    ///
    /// # Errors
    /// It can't be read.
    pub fn finish(&self) -> Result<Header, ProtocolError> {
        if self.read.starts_with(SIGNATURE) {
            read_binary(&self.read)
        } else {
            read_line(&self.read)
        }
    }
}

fn malformed(why: &str) -> ProtocolError {
    ProtocolError::fatal(format!("malformed PROXY protocol header: {why}"))
}

fn read_binary(header: &[u8]) -> Result<Header, ProtocolError> {
    let Some((&[.., command, family, _, _], rest)) = header.split_first_chunk::<FIXED>() else {
        return Err(malformed("it is cut"));
    };
    match command {
        // The sender's own connection: what it says of addresses doesn't count.
        0x20 => return Ok(Header::Own),
        0x21 => {}
        _ => return Err(malformed("neither version 2 nor a command that it has")),
    }
    let short = || malformed("its addresses are cut");
    match family {
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] =
                *rest.first_chunk().ok_or_else(short)?;
            let port = u16::from_be_bytes([high, low]);
            Ok(Header::For((Ipv4Addr::new(a, b, c, d), port).into()))
        }
        0x21 => {
            let addresses: &[u8; 36] = rest.first_chunk().ok_or_else(short)?;
            let address: &[u8; 16] = addresses.first_chunk().ok_or_else(short)?;
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Ok(Header::For((Ipv6Addr::from_octets(*address), port).into()))
        }
        // Unspecified, and a Unix socket of the sender's machine.
        0x00 | 0x31 => Ok(Header::Own),
        _ => Err(malformed("its addresses are of no stream")),
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.7 56324 443\r\n`
fn read_line(line: &[u8]) -> Result<Header, ProtocolError> {
    let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    let text = text.ok_or_else(|| malformed("it is no line of text"))?;
    let mut words = text.split(' ').skip(1);
    let kind = words.next().unwrap_or_default();
    if kind == "UNKNOWN" {
        return Ok(Header::Own);
    }
    let words: Vec<&str> = words.collect();
    let [from, to, from_port, to_port] = *words.as_slice() else {
        return Err(malformed("it does not say from where to where"));
    };
    let address = |text: &str| {
        let address: IpAddr = text.parse().ok()?;
        let fits = matches!((kind, address), ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_)));
        fits.then_some(address)
    };
    let port = |text: &str| {
        let plain =
            text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse::<u16>().ok().filter(|_| plain)
    };
    match (address(from), address(to), port(from_port), port(to_port)) {
        (Some(from), Some(_), Some(port), Some(_)) => Ok(Header::For((from, port).into())),
        _ => Err(malformed("its addresses can't be read")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a header off the front; how much of it was taken.
    fn read(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
        let mut reader = HeaderReader::default();
        let mut at = 0;
        loop {
            match reader.wants()? {
                0 => return reader.finish().map(|header| Some((header, at))),
                n => match bytes.get(at..at + n) {
                    Some(more) => reader.take(more),
                    None => return Ok(None),
                },
            }
            at = reader.read.len();
        }
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn headers_say_for_whom_they_speak() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0xdc, 0x04, 0x19, 0x20];
        let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 28], &[0, 7, 0x19, 0x20]].concat();
        let noted = [&v4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        for (header, said) in [
            (binary(0x21, 0x11, &v4), "192.0.2.1:56324"),
            (binary(0x21, 0x11, &noted), "192.0.2.1:56324"),
            (binary(0x21, 0x21, &v6), "[2001:db8::]:7"),
            (binary(0x21, 0x00, b""), ""),
            (binary(0x21, 0x31, &[b'/'; 216]), ""),
            (binary(0x20, 0x00, b""), ""),
            (binary(0x20, 0x11, &v4), ""),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 6432\r\n".to_vec(), "192.0.2.1:56324"),
            (b"PROXY TCP6 2001:db8:: ::1 7 6432\r\n".to_vec(), "[2001:db8::]:7"),
            (b"PROXY UNKNOWN\r\n".to_vec(), ""),
            (b"PROXY UNKNOWN ffff::1 x y z\r\n".to_vec(), ""),
        ] {
            let expected = said.parse().map_or(Header::Own, Header::For);
            let followed = [&header[..], b"\0\0\0\x08"].concat();
            assert_eq!(read(&followed), Ok(Some((expected, header.len()))), "{said}");
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut]), Ok(None), "{said} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bad in [
            &b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\0"[..],
            b"GET / HTTP/1.1\r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 6432 7\r\n",
            b"PROXY TCP4 192.0.2.1  10.0.0.1 56324 6432\r\n",
            b"PROXY TCP4 ::1 ::1 56324 6432\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 +1 6432\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 6432\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 01 6432\r\n",
            b"PROXY UDP4 192.0.2.1 10.0.0.1 1 6432\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 6432\n",
            b"PROXY UNKNOWN\n\n\n\n\n\n",
            &[&b"PROXY "[..], &[b'x'; 200]].concat(),
            &binary(0x21, 0x11, &[0; 11]),
            &binary(0x21, 0x21, &[0; 35]),
            &binary(0x21, 0x12, &[0; 12]),
            &binary(0x22, 0x11, &[0; 12]),
            &binary(0x11, 0x11, &[0; 12]),
            &binary(0x21, 0x11, &[0; 4097]),
        ] {
            let error = read(bad).expect_err(&bad.escape_ascii().to_string());
            assert!(error.fatal && error.sqlstate == "08P01", "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            begins in prop::sample::select(vec![&b""[..], SIGNATURE, b"PROXY ", b"PROXY TCP4 "]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [begins, &rest].concat();
            if let Ok(Some((_, taken))) = read(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}
