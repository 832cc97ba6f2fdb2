//! Where servers are, where clients come in, and from where.
//!
//! An address is written `host:port`; a host that begins with `/` is a directory, in which the
//! socket file `.s.PGSQL.PORT` lies, as libpq has it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the path of a socket file may have: `sun_path` with its zero byte is 108.
const SOCKET_PATH_MAX: usize = 107;

/// A Postgres server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAddress {
    /// A name or an address, IPv6 without brackets; or a directory, from `/`.
    pub host: Box<str>,
    pub port: u16,
}

impl NodeAddress {
    /// Reads `host:port`, `[v6]:port` or `/directory:port`.
    pub fn parse(text: &str) -> Option<NodeAddress> {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        if host.starts_with('/') {
            let file = SocketFile { directory: host.into(), port };
            return file.fits().then(|| NodeAddress { host: host.into(), port });
        }
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
        plain.then(|| NodeAddress { host: host.into(), port })
    }

    /// The file of its Unix socket; `None` for one that is reached over the network.
    pub fn socket_file(&self) -> Option<PathBuf> {
        let here = self.host.starts_with('/');
        here.then(|| socket_path(Path::new(&*self.host), self.port))
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.host.starts_with('/') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where clients come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    Network(SocketAddr),
    Socket(SocketFile),
}

/// A Unix socket, by its directory and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    /// From `/`.
    pub directory: PathBuf,
    pub port: u16,
}

impl SocketFile {
    pub fn path(&self) -> PathBuf {
        socket_path(&self.directory, self.port)
    }

    fn fits(&self) -> bool {
        let path = self.path();
        let path = path.as_os_str().as_encoded_bytes();
        path.len() <= SOCKET_PATH_MAX && !path.contains(&0)
    }
}

fn socket_path(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ListenAddress, String> {
        let expected = || {
            format!(
                "expected an address and port such as \"127.0.0.1:6432\", or a directory and \
                 port such as \"/run/pgherd:6432\", found {text:?}"
            )
        };
        if !text.starts_with('/') {
            return text.parse().map(ListenAddress::Network).map_err(|_| expected());
        }
        let (directory, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(expected)?;
        let file = SocketFile { directory: directory.into(), port };
        if !file.fits() {
            let path = file.path();
            return Err(format!(
                "the socket's path {} is longer than the {SOCKET_PATH_MAX} bytes that one may have",
                path.display()
            ));
        }
        Ok(ListenAddress::Socket(file))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Network(address) => address.fmt(f),
            ListenAddress::Socket(file) => write!(f, "{}", file.path().display()),
        }
    }
}

/// A range of addresses, as `10.0.0.0/8`; an address alone is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many bits are the same for all of them.
    bits: u8,
}

impl Network {
    /// `Err` says what was expected.
    pub fn parse(text: &str) -> Result<Network, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let expected = || format!("expected addresses such as \"10.0.0.0/8\", found {text:?}");
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|n| *n <= most).ok_or_else(expected)?,
            None => most,
        };
        let (value, width) = number(address);
        let host = value & !mask(bits, width);
        if host != 0 {
            return Err(format!("{text:?} names an address, not a network of {bits} bits"));
        }
        Ok(Network { address, bits })
    }

    /// Whether an address is in it. An IPv4 address that came in by IPv6 is one all the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let ((ours, width), (theirs, other)) = (number(self.address), number(address));
        let mask = mask(self.bits, width);
        width == other && ours & mask == theirs & mask
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// An address as a number, and how many bits that has.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn mask(bits: u8, width: u8) -> u128 {
    let low = u128::MAX.checked_shr(u32::from(bits) + 128 - u32::from(width)).unwrap_or(0);
    (u128::MAX >> (128 - u32::from(width))) & !low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for good in [
            "127.0.0.1:5432",
            "db1.example.org:1",
            "[::1]:65535",
            "/var/run/postgresql:5432",
            "/with:colon:1",
        ] {
            assert_eq!(NodeAddress::parse(good).map(|a| a.to_string()).as_deref(), Some(good));
        }
        let long = format!("/{}:5432", "x".repeat(100));
        for bad in [
            "",
            "localhost",
            "localhost:",
            ":5432",
            "h:0",
            "h:65536",
            "::1:5432",
            "[::1:1",
            "/run",
            "run/here:5432",
            &long,
        ] {
            assert_eq!(NodeAddress::parse(bad), None, "{bad}");
        }
        let socket = NodeAddress::parse("/run/pg:5433").and_then(|node| node.socket_file());
        assert_eq!(socket.as_deref(), Some(Path::new("/run/pg/.s.PGSQL.5433")));
        assert_eq!(NodeAddress::parse("h:1").and_then(|node| node.socket_file()), None);
    }

    #[test]
    fn clients_come_in_by_the_network_or_by_a_file() {
        let shown = |text: &str| text.parse::<ListenAddress>().map(|a| a.to_string());
        assert_eq!(shown("[::]:6432").as_deref(), Ok("[::]:6432"));
        assert_eq!(shown("/run/pgherd:6432").as_deref(), Ok("/run/pgherd/.s.PGSQL.6432"));
        for bad in ["localhost:6432", "6432", "/run/pgherd", "/run/pgherd:0", "run:1"] {
            assert!(shown(bad).is_err_and(|said| said.contains("expected")), "{bad}");
        }
        let long = format!("/{}:6432", "x".repeat(95));
        assert!(shown(&long).is_err_and(|said| said.contains("107 bytes")), "{long}");
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| {
            let network = Network::parse(network).unwrap_or_else(|said| panic!("{said}"));
            network.contains(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3") && !holds("10.0.0.0/8", "a00::"));
        assert!(holds("0.0.0.0/0", "255.1.1.1") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "::1") && !holds("::/0", "::ffff:1.2.3.4"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(
            holds("2001:db8::/33", "2001:db8:7fff::") && !holds("2001:db8::/33", "2001:db8:8000::")
        );
        for bad in ["", "10.0.0.0/33", "10.0.0.1/8", "::1/127", "h", "10.0.0.0/-1", "10/8"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_network_holds_what_shares_its_bits(a in any::<u32>(), b in any::<u32>(), bits in 0u8..=32) {
            let low = if bits == 0 { u32::MAX } else { u32::MAX.checked_shr(bits.into()).unwrap_or(0) };
            let network = format!("{}/{bits}", std::net::Ipv4Addr::from_bits(a & !low));
            let network = Network::parse(&network).unwrap();
            let other = IpAddr::V4(std::net::Ipv4Addr::from_bits(b));
            prop_assert_eq!(network.contains(other), (a ^ b) & !low == 0);
        }
    }
}
