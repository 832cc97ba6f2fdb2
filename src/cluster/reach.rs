//! The way to a server: a socket, and TLS on it where the settings want it.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::error::ConnectError;
use crate::config::settings::NodeAddress;
use crate::config::tls::{ServerTls, SslMode};
use crate::wire::stream::Stream;
use crate::wire::{startup, tls};

/// A stream to a server that has said nothing yet.
pub(super) struct Reached {
    pub stream: Stream,
    /// What a proof over it can be bound to.
    pub binding: Option<Box<[u8]>>,
}

/// A stream that ends when the other side's machine confirms nothing for as long as `silence`,
/// whether something was sent or not.
pub(super) async fn reach(
    address: &NodeAddress,
    silence: Duration,
    tls: &ServerTls,
) -> Result<Reached, ConnectError> {
    if let Some(file) = address.socket_file() {
        // As with libpq there is no TLS on this machine, whatever is wanted elsewhere.
        let stream = Stream::Unix(UnixStream::connect(file).await?);
        return Ok(Reached { stream, binding: None });
    }
    let socket = connect(address, silence).await?;
    let Some(config) = &tls.config else {
        return Ok(Reached { stream: Stream::Tcp(socket), binding: None });
    };
    let (socket, offered) = ask_for_tls(socket).await?;
    if !offered && tls.mode == SslMode::Prefer {
        return Ok(Reached { stream: Stream::Tcp(socket), binding: None });
    }
    if !offered {
        let message = "the server does not speak TLS, which sslmode wants";
        return Err(ConnectError::about_tls(message));
    }
    match tls::connect(socket, config, &address.host).await {
        Ok(stream) => {
            let binding = tls::binding_of(&stream);
            Ok(Reached { stream: Stream::over_tls(stream), binding })
        }
        Err(error) => Err(failed(&error)),
    }
}

/// A handshake that one side refuses is refused the next time too; what breaks off is a server
/// that isn't there.
fn failed(error: &io::Error) -> ConnectError {
    let message = format!("the TLS handshake failed: {error}");
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            ConnectError::about_tls(message)
        }
        _ => ConnectError::Unreachable(message),
    }
}

async fn connect(address: &NodeAddress, silence: Duration) -> Result<TcpStream, ConnectError> {
    let socket = TcpStream::connect((&*address.host, address.port)).await?;
    socket.set_nodelay(true)?;
    let options = socket2::SockRef::from(&socket);
    // While bytes are under way, see `Line`.
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(silence / 2)
        .with_interval(silence / 4)
        .with_retries(2);
    options.set_tcp_keepalive(&keepalive)?;
    Ok(socket)
}

/// Whether the server takes up the offer. One byte is read and no more: what follows it has to
/// be the handshake's (CVE-2021-23222).
async fn ask_for_tls(mut socket: TcpStream) -> Result<(TcpStream, bool), ConnectError> {
    let mut request = BytesMut::new();
    startup::write_tls_request(&mut request);
    socket.write_all(&request).await?;
    match socket.read_u8().await? {
        b'S' => Ok((socket, true)),
        b'N' => Ok((socket, false)),
        // It can't serve anybody now; its words can't be trusted before the handshake.
        b'E' => Err(ConnectError::Unreachable("the server refused at once, see its log".into())),
        other => {
            let why = format!("the server answered {other:#04x} to the offer of TLS");
            Err(crate::wire::ProtocolError::message(why).into())
        }
    }
}
