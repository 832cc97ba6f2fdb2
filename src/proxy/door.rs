//! One place where clients come in: a port, or a socket file.

use std::io;
use std::net::SocketAddr;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

use super::peer::Peer;
use super::socket_file::Claim;
use crate::config::settings::{ListenAddress, Proxy};
use crate::wire::stream::Stream;

/// A socket that is listened on.
#[derive(Debug)]
pub enum Door {
    Network {
        listener: TcpListener,
        keepalive: TcpKeepalive,
    },
    File {
        listener: UnixListener,
        /// Takes the file away in the end.
        claim: Claim,
    },
}

impl Door {
    /// Begins to listen.
    ///
    /// # Errors
    /// Another listens there, or it isn't allowed.
    pub fn open(address: &ListenAddress, settings: &Proxy) -> io::Result<Door> {
        match address {
            ListenAddress::Network(address) => {
                let listener = listen(*address, settings.backlog)?;
                let silence = settings.silence_timeout;
                let keepalive = TcpKeepalive::new()
                    .with_time(silence / 2)
                    .with_interval(silence / 4)
                    .with_retries(2);
                Ok(Door::Network { listener, keepalive })
            }
            ListenAddress::Socket(file) => {
                let mut claim = Claim::stake(file)?;
                let socket = UnixSocket::new_stream()?;
                socket.bind(claim.path())?;
                claim.bound(settings.socket_mode)?;
                Ok(Door::File { listener: socket.listen(settings.backlog)?, claim })
            }
        }
    }

    /// The next client.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Door::Network { listener, keepalive } => {
                let (stream, peer) = listener.accept().await?;
                // Where it fails, the connection is lost, and reading from it will say so.
                let _ = stream.set_nodelay(true);
                let _ = SockRef::from(&stream).set_tcp_keepalive(keepalive);
                Ok((Stream::Tcp(stream), Peer::Network(peer)))
            }
            Door::File { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Local))
            }
        }
    }

    /// Where it is; port 0 has been replaced by the one that was found.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Door::Network { listener, .. } => listener.local_addr().map(ListenAddress::Network),
            Door::File { claim, .. } => Ok(ListenAddress::Socket(claim.file().clone())),
        }
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}
