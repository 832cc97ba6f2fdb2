//! Handshakes of TLS, on either side. The rules that they go by (certificates, versions, who is
//! trusted) come ready made from the settings.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::auth::end_point::end_point;
use crate::config::tls::ALPN;

/// The first byte of a record that holds a handshake. No startup packet begins with it: it would
/// be 370 MB long.
pub const HANDSHAKE: u8 = 0x16;

/// The server's side of a handshake, on a socket of which nothing of it was read.
///
/// `direct`: the client didn't ask before. Then it has to name the protocol by ALPN, so that no
/// client of another protocol can be made to speak to us (as PostgreSQL 17 does).
pub async fn accept(
    socket: TcpStream,
    config: &Arc<ServerConfig>,
    direct: bool,
) -> io::Result<server::TlsStream<TcpStream>> {
    let stream = TlsAcceptor::from(Arc::clone(config)).accept(socket).await?;
    if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a direct TLS connection without the protocol's name in ALPN",
        ));
    }
    Ok(stream)
}

/// The client's side of a handshake with the server that is called `host` in the settings.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    config: &Arc<ClientConfig>,
    host: &str,
) -> io::Result<client::TlsStream<S>> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("\"{host}\" is no name that a certificate could have"),
        )
    })?;
    TlsConnector::from(Arc::clone(config)).connect(name, socket).await
}

/// What a proof can be bound to on this connection; `None` where its certificate binds nothing.
pub fn binding_of<S>(stream: &client::TlsStream<S>) -> Option<Box<[u8]>> {
    let certificates: Option<&[CertificateDer<'_>]> = stream.get_ref().1.peer_certificates();
    end_point(certificates?.first()?)
}
